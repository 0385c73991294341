"""LoRA: only adapters learn, a checkpoint serves without peft, a stopped run goes on."""

import sys

import pytest
import torch

from sphereface_plus import checkpoint
from sphereface_plus.config import FinetuneConfig
from sphereface_plus.embedding import load_network
from sphereface_plus.networks import SphereFace
from sphereface_plus.training.finetuning.adapters import (
    add_adapters,
    load_network_state,
    merged,
    network_state,
)
from sphereface_plus.training.finetuning.freezing import freeze
from sphereface_plus.training.finetuning.start import StartError
from sphereface_plus.training.run import train

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of what peft brings along


@pytest.fixture
def adapted():
    pytest.importorskip("peft", reason="peft is not installed: pip install 'sphereface-plus[lora]'")
    torch.manual_seed(3)
    network = SphereFace((0, 1, 0, 0), 8, 32, 32).eval()
    plain = {name: value.clone() for name, value in network.state_dict().items()}
    add_adapters(network, rank=2, alpha=4)
    return network, plain


def turn(network):
    """Adapters as a training leaves them: no longer zero."""
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if "lora_" in name:
                parameter.normal_(std=0.1)


def test_fresh_adapters_change_nothing_and_only_they_learn(adapted):
    network, plain = adapted
    x, reference = torch.randn(2, 3, 32, 32), SphereFace((0, 1, 0, 0), 8, 32, 32)
    reference.load_state_dict(plain)
    torch.testing.assert_close(network(x), reference(x))
    trained = [name for name, parameter in network.named_parameters() if parameter.requires_grad]
    assert trained
    assert all(".lora_" in name for name in trained)
    assert len(trained) == 2 * 7  # four convolutions of stride 2, two of a unit, the last layer


def test_merged_weights_are_those_of_the_formula_and_compute_the_same(adapted):
    network, plain = adapted
    turn(network)
    state = merged(network)
    assert state.keys() == plain.keys()
    layer = network.embed
    a, b = layer.lora_A["default"].weight, layer.lora_B["default"].weight
    torch.testing.assert_close(state["embed.weight"], plain["embed.weight"] + 4.0 / 2 * (b @ a))
    assert torch.equal(state["stages.0.prelu.weight"], plain["stages.0.prelu.weight"])
    reference, x = SphereFace((0, 1, 0, 0), 8, 32, 32), torch.randn(2, 3, 32, 32)
    reference.load_state_dict(state)
    torch.testing.assert_close(network(x), reference(x), rtol=1e-4, atol=1e-5)


def test_a_network_goes_on_from_its_state_exactly(adapted):
    network, _ = adapted
    turn(network)
    state = network_state(network)
    other = SphereFace((0, 1, 0, 0), 8, 32, 32).eval()
    add_adapters(other, rank=2, alpha=4)
    load_network_state(other, state)
    x = torch.randn(2, 3, 32, 32)
    assert torch.equal(other(x), network(x))


def test_frozen_stages_get_no_adapters():
    pytest.importorskip("peft", reason="peft is not installed")
    network = SphereFace((0, 0, 0, 0), 8, 32, 32)
    freeze(network, FinetuneConfig(frozen_stages=3))
    add_adapters(network, rank=2, alpha=4)
    adapters = {name.split(".lora_")[0] for name in network.state_dict() if ".lora_" in name}
    assert adapters == {"stages.3.down", "embed"}
    frozen = SphereFace((0, 0, 0, 0), 8, 32, 32).requires_grad_(False)
    with pytest.raises(StartError, match="leaves no layer for the adapters"):
        add_adapters(frozen, rank=2, alpha=4)


def test_a_run_with_adapters_is_resumed_exactly_and_its_checkpoint_needs_no_peft(tiny, tmp_path, monkeypatch):
    pytest.importorskip("peft", reason="peft is not installed")
    train(tiny(**{"train.steps": 6}), tmp_path / "source")
    changes = {"init_from": str(tmp_path / "source"), "finetune.lora_rank": 2, "optimizer.milestones": []}
    train(tiny(**changes, **{"train.steps": 4}), tmp_path / "whole")
    train(tiny(**changes, **{"train.steps": 2}), tmp_path / "parts")
    train(tiny(**changes, **{"train.steps": 4}), tmp_path / "parts", resume=True)
    whole, in_parts = (checkpoint.load(tmp_path / name) for name in ("whole", "parts"))
    for part in ("network", "adapters", "loss"):
        for name, value in whole[part].items():
            assert torch.equal(in_parts[part][name], value), name
    before = checkpoint.load(tmp_path / "source")["network"]
    changed = {name for name, value in before.items() if not torch.equal(whole["network"][name], value)}
    assert changed == {f"stages.{n}.down.weight" for n in range(4)} | {"embed.weight"}
    monkeypatch.setitem(sys.modules, "peft", None)
    load_network(tmp_path / "whole")


def test_batch_normalisation_stays_as_it_is_and_only_whole_convolutions_get_adapters(tiny, tmp_path):
    pytest.importorskip("peft", reason="peft is not installed")
    backbone = {"network.name": "mobilefacenet", "optimizer.milestones": [], "train.steps": 2}
    train(tiny(**backbone), tmp_path / "source")
    changes = {"init_from": str(tmp_path / "source"), "finetune.lora_rank": 2}
    train(tiny(**backbone, **changes), tmp_path / "adapted")
    before, after = (checkpoint.load(tmp_path / name)["network"] for name in ("source", "adapted"))
    changed = {name for name, value in before.items() if not torch.equal(after[name], value)}
    convolutions = {name for name, value in before.items() if value.ndim == 4 and value.shape[1] > 2}
    assert changed == convolutions | {"features.layers.2.weight"}  # no running mean or variance among them


def test_without_peft_a_sentence_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "peft", None)
    with pytest.raises(
        StartError, match=r"needs peft, which is not installed: pip install 'sphereface-plus\[lora\]'"
    ):
        add_adapters(SphereFace((0, 0, 0, 0), 8, 32, 32), rank=2, alpha=4)
