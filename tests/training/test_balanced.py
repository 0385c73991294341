"""Runs with balanced batches, and by losses with state of their own: refused, trained, resumed exactly."""

import pytest
import torch

from sphereface_plus import checkpoint
from sphereface_plus.data.batches import BatchesError
from sphereface_plus.training.logs import read_log
from sphereface_plus.training.run import train

BALANCED = {"data.images_per_identity": 2, "mhe": {}}


def weights(folder):
    payload = checkpoint.load(checkpoint.resolve(folder))
    return {
        f"{part}.{name}": tensor for part in ("network", "loss") for name, tensor in payload[part].items()
    }


@pytest.mark.parametrize(
    "changes",
    [
        {"loss": {"kind": "triplet"}, **BALANCED},
        {"loss": {"kind": "softmax_contrastive"}, **BALANCED, "train.accumulate": 2},
        {"loss": {"kind": "curricularface"}},
        {"loss": {"kind": "adaface"}},
        {"loss": {"kind": "softmax_center"}},
        {"mhe": {"weight": 0.1, "form": "opensphere"}},
    ],
    ids=["triplet", "contrastive", "curricularface", "adaface", "center", "opensphere"],
)
def test_a_resumed_run_repeats_the_uninterrupted_one(tiny, tmp_path, changes):
    changes = changes | {"optimizer.milestones": []}
    train(tiny(**changes, **{"train.steps": 6}), tmp_path / "whole")
    train(tiny(**changes, **{"train.steps": 3}), tmp_path / "cut")
    train(tiny(**changes, **{"train.steps": 6}), tmp_path / "cut", resume=True)
    whole, cut = weights(tmp_path / "whole"), weights(tmp_path / "cut")
    assert whole.keys() == cut.keys()
    assert all(torch.equal(tensor, cut[name]) for name, tensor in whole.items())


def test_triplet_is_logged_without_energy_or_accuracy(tiny, tmp_path):
    train(tiny(loss={"kind": "triplet"}, **BALANCED), tmp_path / "run")
    line = read_log(tmp_path / "run" / "log.jsonl")[0]
    assert 0 <= line["violating_share"] <= 1
    assert not any(name.startswith("mhe/") or "accuracy" in name for name in line)


def test_a_set_that_cannot_supply_balanced_batches_is_refused_before_anything_is_written(tiny, tmp_path):
    changes = {"loss": {"kind": "triplet"}, "mhe": {}, "data.images_per_identity": 8}
    with pytest.raises(
        BatchesError, match=r"images_per_identity 8: 6 of 6 identities have fewer crops \(the least 5\)"
    ):
        train(tiny(**changes), tmp_path / "run")
    assert not (tmp_path / "run").exists()
