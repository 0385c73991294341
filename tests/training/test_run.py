"""Whole runs of the tiny recipe, in this process."""

import os
import signal

import cv2
import pytest
import torch
import yaml

from sphereface_plus import checkpoint, config
from sphereface_plus.training import classifier
from sphereface_plus.training.folder import RunError, RunFolder
from sphereface_plus.training.logs import read_log
from sphereface_plus.training.run import train

CPU = f"cpu with {torch.backends.cpu.get_cpu_capability()}"
TIMINGS = {"images_per_second", "data_wait_share"}


def numbers(folder):
    """The log without what differs from run to run."""
    return [
        {name: value for name, value in line.items() if name not in TIMINGS}
        for line in read_log(folder / "log.jsonl")
    ]


def test_run_folder_holds_config_log_events_and_checkpoints(tiny, tmp_path):
    folder = tmp_path / "run"
    outcome = train(tiny(), folder)
    assert (outcome.step, outcome.signal) == (8, None)
    assert sorted(path.name for path in folder.iterdir() if path.name != ".lock") == [
        "checkpoints",
        "config.yaml",
        "log.jsonl",
        "tensorboard",
    ]
    assert sorted(path.name for path in (folder / "checkpoints").iterdir()) == [
        "last.pt",
        "step_00000003.pt",
        "step_00000006.pt",
    ]
    assert config.from_dict(yaml.safe_load((folder / "config.yaml").read_text())) == tiny()
    payload = checkpoint.load(folder)
    assert payload["step"] == 8
    assert payload["identities"] == [f"person_{number}" for number in range(6)]
    assert config.from_dict(payload["config"]) == tiny()


def test_log_names_what_a_face_run_must_show(tiny, tmp_path):
    train(tiny(), tmp_path / "run")
    lines = read_log(tmp_path / "run" / "log.jsonl")
    assert [line["step"] for line in lines] == list(range(8))
    assert set(lines[0]) == {
        "step",
        "loss",
        "classification_loss",
        "accuracy_without_margin",
        "cross_entropy_without_margin",
        "lambda",
        "learning_rate",
        "gradient_norm",
        "mhe/energy",
        "mhe/tangential_gradient",
        "mhe/classification_tangential_gradient",
        "mhe/smallest_angle_degrees",
        *TIMINGS,
    }


def test_training_learns_the_tiny_set(tiny, tmp_path):
    train(
        tiny(**{"train.steps": 40, "optimizer.milestones": [], "loss": {"kind": "softmax"}}), tmp_path / "run"
    )
    lines = read_log(tmp_path / "run" / "log.jsonl")
    assert lines[-1]["cross_entropy_without_margin"] < 0.5 * lines[0]["cross_entropy_without_margin"]


def test_same_seed_makes_the_same_run_and_another_seed_another(tiny, tmp_path):
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        train(tiny(seed=seed), tmp_path / name)
    assert numbers(tmp_path / "a") == numbers(tmp_path / "b")
    assert numbers(tmp_path / "a") != numbers(tmp_path / "c")


@pytest.mark.parametrize(
    ("number", "changes", "validated"),
    [
        (signal.SIGINT, {"train.accumulate": 2}, False),
        (signal.SIGTERM, {"train.precision": "bf16", "data.workers": 1}, True),
        (signal.SIGTERM, {"mhe": {"weight": 9.0, "form": "random_push", "hold_steps": 3}}, False),
    ],
)
def test_a_signal_saves_and_stops_and_resume_repeats_the_uninterrupted_run(
    tiny, tmp_path, crops, number, changes, validated, monkeypatch
):
    if validated:
        changes = changes | validation(tmp_path, crops)
    settings = tiny(**changes)
    train(settings, tmp_path / "whole")
    update = classifier.ClassifierLearner.update

    def interrupted(learner, batch, step):
        if step == 4:
            os.kill(os.getpid(), number)
        return update(learner, batch, step)

    monkeypatch.setattr(classifier.ClassifierLearner, "update", interrupted)
    outcome = train(settings, tmp_path / "parts")
    monkeypatch.undo()
    assert (outcome.step, outcome.signal) == (5, number)
    assert train(settings, tmp_path / "parts", resume=True).step == 8
    assert numbers(tmp_path / "parts") == numbers(tmp_path / "whole")
    whole, parts = checkpoint.load(tmp_path / "whole"), checkpoint.load(tmp_path / "parts")
    for part in ("network", "loss"):
        assert all(torch.equal(whole[part][name], parts[part][name]) for name in whole[part])
    assert whole["best"] == parts["best"]
    assert bool(whole["best"]) == validated


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")
def test_a_resumed_run_on_a_gpu_repeats_the_uninterrupted_one(tiny, tmp_path):
    def settings(steps):
        return tiny(**{"train.device": "cuda", "train.precision": "bf16", "train.steps": steps})

    train(settings(12), tmp_path / "whole")
    train(settings(8), tmp_path / "parts")
    train(settings(12), tmp_path / "parts", resume=True)
    assert numbers(tmp_path / "parts") == numbers(tmp_path / "whole")


@pytest.mark.slow
def test_a_compiled_run_that_is_resumed_repeats_the_uninterrupted_one(tiny, tmp_path):
    def settings(steps):
        return tiny(**{"train.compile": True, "train.steps": steps, "optimizer.milestones": [2]})

    train(settings(6), tmp_path / "whole")
    train(settings(3), tmp_path / "parts")
    train(settings(6), tmp_path / "parts", resume=True)
    assert numbers(tmp_path / "parts") == numbers(tmp_path / "whole")
    whole, parts = checkpoint.load(tmp_path / "whole"), checkpoint.load(tmp_path / "parts")
    assert all(torch.equal(whole["network"][name], parts["network"][name]) for name in whole["network"])


def test_raised_steps_continue_as_a_longer_run(tiny, tmp_path):
    train(tiny(**{"train.steps": 12}), tmp_path / "whole")
    train(tiny(), tmp_path / "raised")
    train(tiny(**{"train.steps": 12}), tmp_path / "raised", resume=True)
    assert numbers(tmp_path / "raised") == numbers(tmp_path / "whole")
    assert yaml.safe_load((tmp_path / "raised" / "config.yaml").read_text())["train"]["steps"] == 12


def test_resume_of_a_finished_run_says_so_and_changes_nothing(tiny, tmp_path):
    train(tiny(), tmp_path / "run")
    before = (tmp_path / "run" / "log.jsonl").read_bytes()
    assert train(tiny(), tmp_path / "run", resume=True).was_finished
    assert (tmp_path / "run" / "log.jsonl").read_bytes() == before


def test_resume_past_the_last_step_is_refused(tiny, tmp_path):
    train(tiny(), tmp_path / "run")
    with pytest.raises(RunError, match=r"the run is at step 8, past train\.steps 6"):
        train(tiny(**{"train.steps": 6}), tmp_path / "run", resume=True)


def test_resume_of_a_run_that_saved_nothing_begins_anew(tiny, tmp_path):
    train(tiny(), tmp_path / "whole")
    RunFolder(tmp_path / "run").write_config(tiny())
    assert train(tiny(), tmp_path / "run", resume=True).step == 8
    assert numbers(tmp_path / "run") == numbers(tmp_path / "whole")


def test_resume_without_a_run_begins_one(tiny, tmp_path):
    assert train(tiny(), tmp_path / "run", resume=True).step == 8


def test_existing_run_without_resume_is_refused(tiny, tmp_path):
    train(tiny(), tmp_path / "run")
    with pytest.raises(RunError, match="continue it with --resume"):
        train(tiny(), tmp_path / "run")


def test_resume_with_other_crops_is_refused(tiny, tmp_path, make_crops):
    folder = make_crops("crops", identities=3)
    train(tiny(**{"data.path": str(folder)}), tmp_path / "run")
    (folder / "person_2" / "person_2_0002.png").unlink()
    with pytest.raises(RunError, match="then 6 crops of 3 identities, now 5 of 3"):
        train(tiny(**{"data.path": str(folder), "train.steps": 9}), tmp_path / "run", resume=True)


def test_resume_with_as_many_other_crops_is_refused(tiny, tmp_path, make_crops):
    folder = make_crops("crops", identities=3)
    train(tiny(**{"data.path": str(folder)}), tmp_path / "run")
    (folder / "person_2" / "person_2_0002.png").rename(folder / "person_2" / "person_2_0003.png")
    with pytest.raises(RunError, match="now 6 of 3, or others of the same number; put it back"):
        train(tiny(**{"data.path": str(folder), "train.steps": 9}), tmp_path / "run", resume=True)


def test_resume_with_other_threads_goes_on_and_says_so(tiny, tmp_path, capsys):
    train(tiny(), tmp_path / "run")
    torch.set_num_threads(2)
    assert train(tiny(**{"train.steps": 9}), tmp_path / "run", resume=True).step == 9
    said = capsys.readouterr().err
    assert f"was made on 1 x {CPU}, 1 thread, torch " in said
    assert f" and continues on 1 x {CPU}, 2 threads, torch " in said


def test_divergence_that_a_validation_sees_keeps_the_state_and_says_what_to_try(tiny, tmp_path, crops):
    changes = {"optimizer.learning_rate": 1e30, "train.checkpoint_every": 100} | validation(tmp_path, crops)
    with pytest.raises(
        RunError, match=r"step \d: the update made the embeddings infinite, the run has diverged"
    ):
        train(tiny(**changes | {"validation.every": 1}), tmp_path / "run")
    assert checkpoint.load(tmp_path / "run" / "failure" / "state.pt")["step"] >= 1
    assert not RunFolder(tmp_path / "run").last.exists()


def test_resume_with_crops_made_anew_is_refused(tiny, tmp_path, make_crops):
    folder = make_crops("crops", identities=3)
    train(tiny(**{"data.path": str(folder)}), tmp_path / "run")
    crop = folder / "person_2" / "person_2_0002.png"
    cv2.imwrite(str(crop), cv2.imread(str(crop)) // 2)
    with pytest.raises(RunError, match="now 6 of 3, or others of the same number; put it back"):
        train(tiny(**{"data.path": str(folder), "train.steps": 9}), tmp_path / "run", resume=True)


def test_best_checkpoint_is_the_first_with_the_highest_accuracy(tiny, tmp_path, crops):
    train(tiny(**validation(tmp_path, crops)), tmp_path / "run")
    lines = [line for line in read_log(tmp_path / "run" / "log.jsonl") if "validation/accuracy" in line]
    assert [line["step"] for line in lines] == [0, 2, 4, 6, 8]
    accuracies = [line["validation/accuracy"] for line in lines]
    best = checkpoint.load(tmp_path / "run" / "checkpoints" / "best.pt")
    assert best["best"] == {"step": best["step"], "accuracy": max(accuracies)}
    assert best["step"] == lines[accuracies.index(max(accuracies))]["step"]


def validation(folder, crops):
    """Settings of a validation every second step."""
    return {
        "validation.pairs": str(write_pairs(folder)),
        "validation.images": str(crops),
        "validation.every": 2,
    }


def write_pairs(folder):
    lines = []
    for person in range(5):
        key = f"person_{person}/person_{person}"
        lines.append(f"{key}_0001 {key}_0002 1")
        lines.append(f"{key}_0003 {key}_0004 1")
        lines.append(f"{key}_0001 person_{person + 1}/person_{person + 1}_0002 0")
        lines.append(f"{key}_0003 person_{person + 1}/person_{person + 1}_0004 0")
    path = folder / "pairs.txt"
    path.write_text("\n".join(lines) + "\n")
    return path


def test_build_refuses_pairs_without_crops_before_the_first_step(tiny, tmp_path, crops):
    pairs = tmp_path / "pairs.txt"
    pairs.write_text("person_0/person_0_0001 nobody/nobody_0001 0\n")
    with pytest.raises(
        ValueError, match=r"1 of 2 photos have no crop in .*, the first is nobody/nobody_0001"
    ):
        train(tiny(**{"validation.pairs": str(pairs), "validation.images": str(crops)}), tmp_path / "run")
    assert not (tmp_path / "run").exists()
