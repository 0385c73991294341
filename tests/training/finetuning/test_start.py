"""Starting from another run's weights: what is loaded, what is refused, what the report says."""

import json

import pytest
import torch

from sphereface_plus import checkpoint, weights
from sphereface_plus.data.crops import SpecError
from sphereface_plus.training.finetuning.start import StartError
from sphereface_plus.training.logs import read_log
from sphereface_plus.training.run import train


@pytest.fixture
def source(tiny, tmp_path):
    """A finished run to start from."""
    train(tiny(**{"loss.margin": 4}), tmp_path / "source")
    return tmp_path / "source"


def test_finetuning_begins_with_the_weights_and_a_new_optimizer(tiny, tmp_path, source):
    settings = {"init_from": str(source), "optimizer.learning_rate": 1e-12, "optimizer.weight_decay": 0.0}
    train(tiny(**settings), tmp_path / "tuned")
    before, after = checkpoint.load(source), checkpoint.load(tmp_path / "tuned")
    for part in ("network", "loss"):
        for name, value in before[part].items():
            assert torch.allclose(after[part][name], value, atol=1e-7), name
    assert read_log(tmp_path / "tuned" / "log.jsonl")[0]["step"] == 0
    assert after["start"]["source"] == str(source)
    assert after["start"]["step"] == 8
    assert after["start"]["sha256"] == checkpoint.sha256(source / "checkpoints" / "last.pt")


def test_load_report_lists_every_tensor(tiny, tmp_path, source, capsys):
    train(tiny(init_from=str(source)), tmp_path / "tuned")
    report = json.loads((tmp_path / "tuned" / "load_report.json").read_text())
    payload = checkpoint.load(source)
    names = [f"network.{name}" for name in payload["network"]] + ["loss.prototypes"]
    assert report["loaded"] == names
    assert report["missing"] == report["unused"] == report["new"] == []
    assert report["mismatched"] == {}
    assert f"loaded {len(names)} of {len(names)} tensors of {source} (step 8)" in capsys.readouterr().err


def test_other_identities_are_refused_without_reset_head(tiny, tmp_path, source, make_crops):
    with pytest.raises(StartError, match=r"trained on 6 identities, the data here have 2\).*by --reset-head"):
        train(tiny(**{"init_from": str(source), "data.path": str(make_crops("others"))}), tmp_path / "tuned")
    assert not (tmp_path / "tuned").exists()


def test_as_many_identities_of_other_names_are_refused_by_name(tiny, tmp_path, source, make_crops):
    others = make_crops("others", identities=6)
    (others / "person_4").rename(others / "person_4b")
    with pytest.raises(StartError, match="it does not know person_4b, who is in the data here"):
        train(tiny(**{"init_from": str(source), "data.path": str(others)}), tmp_path / "tuned")


def test_reset_head_takes_the_network_and_begins_with_new_prototypes(tiny, tmp_path, source, make_crops):
    settings = {"init_from": str(source), "reset_head": True, "data.path": str(make_crops("others"))}
    train(tiny(**settings, **{"optimizer.learning_rate": 1e-12}), tmp_path / "tuned")
    before, after = checkpoint.load(source), checkpoint.load(tmp_path / "tuned")
    assert all(torch.allclose(after["network"][name], value) for name, value in before["network"].items())
    assert after["loss"]["prototypes"].shape == (2, 16)
    report = json.loads((tmp_path / "tuned" / "load_report.json").read_text())
    assert report["new"] == ["loss.prototypes"]


def test_another_embedding_size_is_reported_as_mismatched(tiny, tmp_path, source, capsys):
    settings = {"init_from": str(source), "reset_head": True, "network.embedding_size": 8}
    train(tiny(**settings), tmp_path / "tuned")
    report = json.loads((tmp_path / "tuned" / "load_report.json").read_text())
    assert report["mismatched"]["network.embed.weight"] == "(8, 2048) here and (16, 2048) there"
    assert "network.stages.0.down.weight" in report["loaded"]
    assert "network.embed.weight is (8, 2048) here and (16, 2048) there" in capsys.readouterr().err


def test_prototypes_of_another_size_are_refused_without_reset_head(tiny, tmp_path, source):
    with pytest.raises(
        StartError, match=r"loss.prototypes is \(6, 8\) here and \(6, 16\) there; .* --reset-head"
    ):
        train(tiny(**{"init_from": str(source), "network.embedding_size": 8}), tmp_path / "tuned")


def test_another_input_spec_is_refused(tiny, tmp_path, source):
    with pytest.raises(SpecError, match="color bgr, got rgb"):
        train(tiny(**{"init_from": str(source), "network.input.color": "rgb"}), tmp_path / "tuned")


def test_accuracy_is_measured_before_the_first_step(tiny, tmp_path, source, crops):
    pairs = tmp_path / "pairs.txt"
    lines = [f"person_{n}/person_{n}_0001 person_{n}/person_{n}_0002 1" for n in range(5)]
    lines += [f"person_{n}/person_{n}_0001 person_{n + 1}/person_{n + 1}_0001 0" for n in range(5)]
    pairs.write_text("\n".join(lines))
    train(
        tiny(**{"init_from": str(source), "validation.pairs": str(pairs), "validation.images": str(crops)}),
        tmp_path / "tuned",
    )
    first = read_log(tmp_path / "tuned" / "log.jsonl")[0]
    assert first["step"] == 0
    assert "validation/accuracy" in first


def test_resumed_finetuning_needs_its_source_no_more(tiny, tmp_path, source):
    settings = tiny(init_from=str(source))
    train(settings, tmp_path / "tuned")
    source.rename(tmp_path / "moved")
    longer = tiny(**{"init_from": str(source), "train.steps": 9})
    assert train(longer, tmp_path / "tuned", resume=True).step == 9
    assert checkpoint.load(tmp_path / "tuned")["start"]["source"] == str(source)


def test_another_network_is_refused_rather_than_left_mostly_random(tiny, tmp_path, source):
    with pytest.raises(
        StartError, match=r"its network is sphereface4, the recipe's sphereface10; take --set network\.name="
    ):
        train(tiny(**{"init_from": str(source), "network.name": "sphereface10"}), tmp_path / "tuned")
    assert not (tmp_path / "tuned").exists()


def test_a_checkpoint_names_what_it_and_its_start_were_trained_on(tiny, make_crops, tmp_path, source):
    others = make_crops("others", identities=7, images=3)
    settings = {"data.path": str(others), "reset_head": True, "init_from": str(source)}
    settings["optimizer.milestones"] = []
    train(tiny(**settings, **{"train.steps": 1}), tmp_path / "own")
    train(tiny(**settings, **{"train.steps": 2}), tmp_path / "own", resume=True)
    before, after = (weights.load(run).trained_on for run in (source, tmp_path / "own"))
    assert before is not None
    assert after is not None
    assert (len(before.identities), len(before.crops), before.complete) == (6, 30, True)
    assert set(after.identities) == {f"person_{number}" for number in range(7)}
    assert after.complete
    assert set(before.crops.tolist()) < set(after.crops.tolist())
    assert "trained_on" not in json.loads((tmp_path / "own" / "load_report.json").read_text())
