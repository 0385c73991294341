"""Starting from a weight file: other people's weights, converted."""

import json

import pytest
import torch

from sphereface_plus import checkpoint, weights
from sphereface_plus.config import NetworkConfig
from sphereface_plus.config.losses import ASoftmaxConfig, SphereFaceRConfig, UnnormalisedAMSoftmaxConfig
from sphereface_plus.data.crops import SpecError
from sphereface_plus.networks import build_network
from sphereface_plus.training.finetuning.start import StartError, schedule_notes
from sphereface_plus.training.run import train
from sphereface_plus.weights import Origin, WeightsInfo

SPEC = {"template": "test_32x32", "height": 32, "width": 32}
PEOPLE = tuple(f"person_{number}" for number in range(6))


@pytest.fixture
def write(tmp_path):
    """Writes a weight file of the tiny recipe's network: write(prototypes=..., identities=..., **network)."""

    def write(prototypes=6, identities=PEOPLE, **network):
        config = NetworkConfig.model_validate(
            {
                "name": "sphereface4",
                "embedding_size": 16,
                "input": {**SPEC, **network.pop("input", {})},
                **network,
            }
        )
        info = WeightsInfo(
            network=config,
            identities=identities,
            origin=Origin(format="caffe", file="x.caffemodel", sha256="0" * 64, remarks=("fc6: normalised",)),
            renamed={"embed.weight": "fc5.weight", "embed.bias": "fc5.bias"},
        )
        tensors = torch.randn(prototypes, 16) if prototypes else None
        weights.save(tmp_path / "face.safetensors", info, build_network(config).state_dict(), tensors)
        return str(tmp_path / "face.safetensors")

    return write


@pytest.fixture
def start(tiny, tmp_path):
    """Trains one step, hardly moving, from a file; returns the checkpoint."""

    def start(source, **changes):
        settings = {"init_from": source, "train.steps": 1, "optimizer.learning_rate": 1e-12}
        train(tiny(**settings, **{"optimizer.milestones": [], **changes}), tmp_path / "tuned")
        return checkpoint.load(tmp_path / "tuned")

    return start


def test_the_same_identities_keep_their_prototypes(start, write):
    source = write()
    after, before = start(source), weights.load(source)
    torch.testing.assert_close(after["loss"]["prototypes"], before.loss["prototypes"], rtol=0, atol=1e-6)
    torch.testing.assert_close(
        after["network"]["embed.weight"], before.network["embed.weight"], rtol=0, atol=1e-6
    )
    assert (after["start"]["source"], after["start"]["step"]) == (source, None)
    assert after["start"]["sha256"] == before.sha256


def test_the_same_identities_in_another_order_get_their_rows_by_name(start, write):
    """As numbers sorted as text: 1, 10, 2 there and 1, 2, 10 here."""
    source = write(identities=tuple(reversed(PEOPLE)))
    after, before = start(source), weights.load(source)
    torch.testing.assert_close(
        after["loss"]["prototypes"], before.loss["prototypes"].flip(0), rtol=0, atol=1e-6
    )
    assert after["identities"] == list(PEOPLE)
    assert after["start"]["notes"][-1] == (
        "prototypes: the same 6 identities in another order, their rows reordered by name"
    )


def test_a_classifiers_biases_are_reordered_with_its_rows(start, write, tmp_path):
    settings = {"loss": {"kind": "softmax", "bias": True}}
    start(write(), **settings, reset_head=True)
    there = checkpoint.load(tmp_path / "tuned")
    there["identities"] = list(reversed(there["identities"]))
    there["loss"]["bias"] = torch.arange(6.0)
    checkpoint.save(tmp_path / "other.pt", there)
    (tmp_path / "tuned").rename(tmp_path / "first")
    after = start(str(tmp_path / "other.pt"), **settings)
    for name, rows in after["loss"].items():
        torch.testing.assert_close(rows, there["loss"][name].flip(0), rtol=0, atol=1e-6)


def test_the_load_report_says_what_was_renamed_and_changed(start, write, tmp_path, capsys):
    start(write())
    report = json.loads((tmp_path / "tuned" / "load_report.json").read_text())
    assert report["renamed"] == {"network.embed.weight": "fc5.weight", "network.embed.bias": "fc5.bias"}
    assert report["notes"][-1] == "fc6: normalised"
    shown = capsys.readouterr().err
    assert "loaded 15 of 15 tensors" in shown
    assert "renamed: 2, such as fc5.weight to network.embed.weight" in shown
    assert "fc6: normalised" in shown


def test_prototypes_without_names_are_taken_in_order_and_the_report_says_so(start, write):
    after = start(write(identities=None))
    assert after["start"]["notes"][-1].startswith(
        "its 6 prototypes have no names: taken for this training set's"
    )


def test_prototypes_of_other_identities_are_refused(start, write):
    with pytest.raises(StartError, match=r"trained on 7 identities, the data here have 6\).*by --reset-head"):
        start(write(prototypes=7, identities=None))
    with pytest.raises(StartError, match="it does not know person_0, who is in the data here"):
        start(write(identities=("nobody", *PEOPLE[1:])))
    with pytest.raises(StartError, match="has no prototypes; begin with new ones by --reset-head"):
        start(write(prototypes=0, identities=None))
    start(write(prototypes=0, identities=None), reset_head=True)


def test_crops_of_another_size_are_refused_with_what_to_do(start, write):
    source = write(input={"template": "arcface_112x112", "height": 112, "width": 112})
    with pytest.raises(SpecError) as refused:
        start(source)
    message = str(refused.value)
    assert "expects another input: template arcface_112x112, got test_32x32; height 112, got 32" in message
    assert '--set network.input.template="arcface_112x112" --set network.input.height=112' in message
    assert "the last layer's weights fit maps of 112x112 crops only" in message
    assert "have to be aligned with --template arcface_112x112" in message


def test_another_pipeline_is_refused_with_the_settings_that_give_it(start, write):
    with pytest.raises(SpecError) as refused:
        start(write(input={"color": "rgb", "std": (127.5, 127.5, 127.5)}))
    settings = '--set network.input.color="rgb" --set network.input.std=[127.5,127.5,127.5]'
    assert str(refused.value).endswith(f"Take its input spec: {settings}")


def test_the_settings_that_a_refusal_names_are_taken(start, write):
    source = write(variant="clcarwin", input={"color": "rgb", "std": (127.5, 127.5, 127.5)})
    with pytest.raises(StartError, match=r"is of variant clcarwin; take --set network\.variant=clcarwin"):
        start(source, **{"network.input.color": "rgb", "network.input.std": [127.5] * 3})
    settings = {"network.variant": "clcarwin", "network.input.color": "rgb", "network.input.std": [127.5] * 3}
    report = start(source, **settings)["start"]
    assert report["missing"] == report["unused"] == []


def test_where_the_annealing_stands_is_said_with_how_to_go_on_from_the_start():
    loss = ASoftmaxConfig(kind="a_softmax")
    assert schedule_notes(loss, 9) == [
        "loss: lambda begins at 893, as after 0 steps, and falls to 5; "
        "the start ended after 9 steps of it: --set loss.lambda_start=9 goes on there"
    ]
    assert schedule_notes(loss, None)[0].endswith(
        "; if the start was trained with it for N steps, --set loss.lambda_start=N goes on there"
    )
    after_9 = loss.model_copy(update={"lambda_start": 9})
    assert schedule_notes(after_9, 9) == ["loss: lambda goes on at 455, where the start's annealing ended"]
    assert "begins at 455, as after 9 steps" in schedule_notes(after_9, 18)[0]
    assert schedule_notes(loss.model_copy(update={"lambda_start": 2000}), 9) == []


def test_a_margin_that_grows_again_is_said_with_how_to_begin_with_the_last_one():
    loss = SphereFaceRConfig(kind="sphereface_r", margin=1.5, margin_growth=0.1, margin_steps=(3, 6))
    assert schedule_notes(loss, None) == [
        "loss: the margin grows again from 1.5, by this run's own steps; "
        "--set loss.margin=1.7 --set 'loss.margin_steps=[]' begins with the last one"
    ]
    assert "from 0" in schedule_notes(UnnormalisedAMSoftmaxConfig(kind="am_softmax_unnormalised"), None)[0]
