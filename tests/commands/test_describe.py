"""`sphereface-plus show` of a checkpoint: what it lacks is named, and a bug of ours keeps its traceback."""

import pytest
import torch

from sphereface_plus import checkpoint
from sphereface_plus.checkpoint import CheckpointError
from sphereface_plus.commands.describe import describe
from sphereface_plus.config import to_dict
from sphereface_plus.networks import build_network
from tests.embedding.small_models import CONFIG


@pytest.fixture
def payload():
    """A whole checkpoint's."""
    network = build_network(CONFIG.network)
    return {
        "config": to_dict(CONFIG),
        "network": network.state_dict(),
        "loss": {"prototypes": torch.eye(3, 8)},
        "identities": ["a", "b", "c"],
        "step": 1,
        "num_crops": 6,
        "start": None,
        "best": None,
    }


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"config": 5}, r"is not a whole checkpoint of ours \(config: Input should be a valid dict"),
        ({"step": None}, None),
        ({"identities": 5}, r"identities\.list\[any\]: Input should be a valid list"),
        ({"start": {"step": 1}}, r"start\.source: Field required"),
        ({"best": 1.5}, "best: Input should be a valid dictionary"),
        (
            {"network": {"a": torch.ones(2)}},
            r"weights do not go together \(\d+ tensors do not fit, first 'a'",
        ),
        ({"network": {1: 2}}, "1 claims more numbers than the file holds, or none"),
        ({"loss": 5}, "its loss is a number"),
        ({"loss": {"prototypes": torch.ones(3)}}, r"its prototypes are torch.float32 \(3,\)"),
    ],
)
def test_show_refuses_a_checkpoint_of_other_things_with_its_name(tmp_path, payload, change, message):
    checkpoint.save(tmp_path / "x.pt", payload | change)
    if message is None:
        assert "prototypes 3 x 8" in describe(tmp_path / "x.pt").splitlines()
        return
    with pytest.raises(CheckpointError, match=rf"x\.pt: .*{message}"):
        describe(tmp_path / "x.pt")


def test_show_refuses_a_checkpoint_that_lacks_something_and_keeps_the_traceback_of_a_bug_of_ours(
    tmp_path, payload, monkeypatch
):
    checkpoint.save(tmp_path / "x.pt", payload)
    with monkeypatch.context() as patch:
        patch.setattr("sphereface_plus.training.model_lines.network_lines", lambda *_: iter(5))
        with pytest.raises(TypeError, match="'int' object is not iterable"):
            describe(tmp_path / "x.pt")
    for name in ("network", "best"):
        checkpoint.save(tmp_path / "x.pt", {key: payload[key] for key in payload if key != name})
        with pytest.raises(CheckpointError, match=rf"x\.pt: is not a whole checkpoint of ours \({name}: "):
            describe(tmp_path / "x.pt")
