"""Whole runs of the tiny recipe, in this process."""

import json
import multiprocessing
import os
import signal
from functools import partial

import cv2
import pytest
import torch
import yaml

from sphereface_plus import checkpoint, config
from sphereface_plus.commands.describe import describe
from sphereface_plus.data.batches import BatchesError
from sphereface_plus.data.crops import CropsError, SpecError
from sphereface_plus.processes import Processes
from sphereface_plus.training import face, reporting
from sphereface_plus.training import run as run_module
from sphereface_plus.training.failures import ChanceLevel, NonFiniteError
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
    ],
)
def test_a_signal_saves_and_stops_and_resume_repeats_the_uninterrupted_run(
    tiny, tmp_path, crops, number, changes, validated, monkeypatch
):
    if validated:
        changes = changes | validation(tmp_path, crops)
    settings = tiny(**changes)
    train(settings, tmp_path / "whole")
    update = face.ClassifierLearner.update

    def interrupted(learner, batch, step):
        if step == 4:
            os.kill(os.getpid(), number)
        return update(learner, batch, step)

    monkeypatch.setattr(face.ClassifierLearner, "update", interrupted)
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
    assert f" and goes on on 1 x {CPU}, 2 threads, torch " in said


def test_divergence_that_a_validation_sees_keeps_the_state_and_says_what_to_try(tiny, tmp_path, crops):
    changes = {"optimizer.learning_rate": 1e30, "train.checkpoint_every": 100} | validation(tmp_path, crops)
    with pytest.raises(
        RunError, match=r"step \d: the update made the embeddings infinite, the run has diverged"
    ):
        train(tiny(**changes | {"validation.every": 1}), tmp_path / "run")
    assert checkpoint.load(tmp_path / "run" / "failure" / "state.pt")["step"] >= 1
    assert not RunFolder(tmp_path / "run").last.exists()


def test_a_missing_compiler_is_named(tiny, tmp_path, monkeypatch):
    def no_compiler(*_):
        raise RuntimeError(
            "InvalidCxxCompiler: No working C++ compiler found in torch._inductor.config.cpp.cxx"
        )

    monkeypatch.setattr(face.ClassifierLearner, "update", no_compiler)
    with pytest.raises(RunError, match=r"train\.compile needs a C\+\+ compiler, .* install g\+\+"):
        train(tiny(**{"train.compile": True}), tmp_path / "run")
    with pytest.raises(RuntimeError, match="InvalidCxxCompiler"):
        train(tiny(), tmp_path / "plain")


def test_resume_with_crops_made_anew_is_refused(tiny, tmp_path, make_crops):
    folder = make_crops("crops", identities=3)
    train(tiny(**{"data.path": str(folder)}), tmp_path / "run")
    crop = folder / "person_2" / "person_2_0002.png"
    cv2.imwrite(str(crop), cv2.imread(str(crop)) // 2)
    with pytest.raises(RunError, match="now 6 of 3, or others of the same number; put it back"):
        train(tiny(**{"data.path": str(folder), "train.steps": 9}), tmp_path / "run", resume=True)


def test_missing_crops_are_named_before_the_first_step(tiny, tmp_path, make_crops):
    folder = make_crops("crops", identities=3)
    rows = "".join(f"person_{p}/person_{p}_000{k}.png {p}\n" for p in range(3) for k in range(1, 5))
    (folder / "list.txt").write_text(rows)
    with pytest.raises(
        CropsError, match=r"6 of 12 crops cannot be found: \S*person_0_0003.png, .* and 3 more"
    ):
        train(tiny(**{"data.path": str(folder / "list.txt")}), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_second_process_in_the_same_folder_is_refused(tiny, tmp_path):
    with (
        RunFolder(tmp_path / "run").held(),
        pytest.raises(RunError, match="another process is training here; wait for it, or name another"),
    ):
        train(tiny(), tmp_path / "run")


def test_a_batch_larger_than_the_set_is_said(tiny, tmp_path, make_crops, capsys):
    folder = make_crops("crops", identities=3)
    train(tiny(**{"data.path": str(folder)}), tmp_path / "run")
    assert "train.batch_size 8 is more than the 6 images of" in capsys.readouterr().err


def diverging(tiny, steps):
    """A run whose first update is finite and absurd."""
    return tiny(
        **{"optimizer.learning_rate": 1e30, "optimizer.milestones": [], "train.steps": steps},
        **{"train.checkpoint_every": 1},
    )


@pytest.mark.parametrize("steps", [1, 2])
def test_an_update_that_breaks_the_network_is_named_and_no_checkpoint(tiny, tmp_path, steps):
    with pytest.raises(RunError, match="step 0: the update made the embeddings infinite, the run has dive"):
        train(diverging(tiny, steps), tmp_path / "run")
    assert (tmp_path / "run" / "failure" / "state.pt").is_file()
    with pytest.raises(checkpoint.CheckpointError, match="this run has saved no checkpoint yet"):
        checkpoint.load(tmp_path / "run")


def test_resume_of_a_diverged_run_diverges_again_and_is_never_called_finished(tiny, tmp_path):
    for _ in range(2):
        with pytest.raises(RunError, match="the run has diverged"):
            train(diverging(tiny, 1), tmp_path / "run", resume=True)


def test_a_diverged_run_goes_on_with_a_gentler_setting_and_keeps_on_record_which(
    tiny, tmp_path, monkeypatch, capsys
):
    folder = RunFolder(tmp_path / "run")
    folder.write_config(tiny())
    with pytest.raises(RunError, match=r"recipe differs: optimizer\.learning_rate"):
        train(tiny(**{"optimizer.learning_rate": 0.001}), folder.path, resume=True)
    train(tiny(**{"train.steps": 6}), folder.path, resume=True)
    update = face.ClassifierLearner.update

    def diverging(learner, batch, step):
        if step == 7:
            raise NonFiniteError(step, "loss")
        return update(learner, batch, step)

    monkeypatch.setattr(face.ClassifierLearner, "update", diverging)
    with pytest.raises(RunError, match="after a divergence --resume takes these changed, as by --set optim"):
        train(tiny(), folder.path, resume=True)
    monkeypatch.undo()
    gentler = tiny(**{"optimizer.learning_rate": 0.001, "optimizer.clip_norm": 5.0})
    with pytest.raises(RunError, match="recipe differs: seed"):
        train(tiny(seed=4), folder.path, resume=True)
    assert train(gentler, folder.path, resume=True).step == 8
    said = capsys.readouterr().err
    assert "changed from step 6 on: optimizer.clip_norm None -> 5.0" in said
    assert "changed from step 6 on: optimizer.learning_rate 0.01 -> 0.001" in said
    rates = {line["step"]: line["learning_rate"] for line in read_log(folder.log)}
    assert rates[7] == pytest.approx(0.0001)  # after the milestone
    changes = checkpoint.load(folder.path)["changes"]
    assert [(change["step"], change["setting"]) for change in changes] == [
        (6, "optimizer.clip_norm"),
        (6, "optimizer.learning_rate"),
    ]
    assert "changed    from step 6 on: optimizer.learning_rate 0.01 -> 0.001" in describe(folder.path)
    assert (folder.path / "failure_before_6_1" / "state.pt").is_file()
    with pytest.raises(RunError, match="recipe differs"):  # it has not diverged since
        train(tiny(**{"train.steps": 9}), folder.path, resume=True)


def test_a_batch_that_the_processes_cannot_share_leaves_no_folder(tiny, tmp_path, monkeypatch):
    three = Processes(0, 3, torch.device("cpu"))
    monkeypatch.setattr(run_module, "start", lambda device: three)
    for part in ("TrainedNetwork", "ClassifierLearner"):
        monkeypatch.setattr(face, part, lambda *_, **__: None)
    with pytest.raises(BatchesError, match="a batch of 8 cannot be cut evenly: 1 parts, 3 processes"):
        train(tiny(), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_reading_process_that_dies_is_named(tiny, tmp_path, monkeypatch):
    getitems = face.FaceSet.__getitems__

    def dying(dataset, items):
        if items[0][1] >= 24:
            os.kill(os.getpid(), signal.SIGKILL)
        return getitems(dataset, items)

    monkeypatch.setattr(face.FaceSet, "__getitems__", dying)
    with pytest.raises(RunError, match=r"a process that reads crops has died.*--set data\.workers="):
        train(tiny(**{"data.workers": 1}), tmp_path / "run")


def test_a_lost_connection_is_no_death_of_a_reader_where_there_is_none(tiny, tmp_path, monkeypatch):
    def lost(*_):
        raise ConnectionResetError("of something else")

    monkeypatch.setattr(face.ClassifierLearner, "update", lost)
    with pytest.raises(ConnectionResetError, match="of something else"):
        train(tiny(), tmp_path / "run")


def test_a_refused_training_set_leaves_no_folder(tiny, tmp_path):
    with pytest.raises(
        RunError, match=r"data\.path .*nowhere: there is no .*; --set data\.path=\.\.\. names"
    ):
        train(tiny(**{"data.path": str(tmp_path / "nowhere")}), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_crops_of_another_size_are_refused(tiny, tmp_path, make_crops):
    with pytest.raises(
        SpecError,
        match=r"crops: expected test_32x32 crops of 32x32 .*got images of 48x48; align .* data_prep align",
    ):
        train(tiny(**{"data.path": str(make_crops("crops", size=48))}), tmp_path / "run")


@pytest.mark.parametrize("workers", [0, 1])
def test_one_crop_of_another_size_is_named(tiny, tmp_path, make_crops, workers):
    folder = make_crops("crops")
    wrong = make_crops("wrong", size=16) / "person_0" / "person_0_0001.png"
    (folder / "person_1" / "person_1_0002.png").write_bytes(wrong.read_bytes())
    with pytest.raises(SpecError, match=r"^\S*person_1_0002.png: is 16x16, .*32x32$") as caught:
        train(tiny(**{"data.path": str(folder), "data.workers": workers}), tmp_path / "run")
    assert caught.value
    assert multiprocessing.active_children() == []  # whoever keeps the error keeps no reading process


ONE_STEP = {"train.steps": 1, "optimizer.milestones": []}


def test_who_is_left_out_is_said_at_the_start(tiny, tmp_path, make_crops, capsys):
    folder = make_crops("crops", identities=4)
    (folder / "Nobody").mkdir()
    for path in sorted((folder / "person_1").iterdir())[1:]:
        path.unlink()
    people = len(list(folder.iterdir()))
    settings = {"data.path": str(folder), "data.min_images": 2, "data.exclude": ["person_2"]}
    train(tiny(**settings, **ONE_STEP), tmp_path / "run")
    assert (
        f"{folder}; 3 of {people} identities left out: Nobody (its folder holds no image), "
        "person_1 (1 crop, fewer than min_images 2), person_2 (excluded)\n" in capsys.readouterr().err
    )


def test_a_run_does_not_go_on_with_a_crop_of_another_content(tiny, tmp_path, make_crops):
    folder = make_crops("crops")
    train(tiny(**{"data.path": str(folder), **ONE_STEP}), tmp_path / "run")
    crop = folder / "person_1" / "person_1_0002.png"
    data = bytearray(crop.read_bytes())
    crop.write_bytes(bytes(len(data)))
    again = tiny(**{"data.path": str(folder), **ONE_STEP, "train.steps": 2})
    with pytest.raises(RunError, match="some crops are not the files that they were when the run began"):
        train(again, tmp_path / "run", resume=True)
    crop.write_bytes(data)
    assert train(again, tmp_path / "run", resume=True).step == 2


def test_one_identity_is_refused(tiny, tmp_path, make_crops):
    with pytest.raises(
        CropsError, match=r"holds one identity only \(person_0\); a classifier needs two; give"
    ):
        train(tiny(**{"data.path": str(make_crops("crops", identities=1))}), tmp_path / "run")
    many = {"data.path": str(make_crops("many", identities=2)), "data.exclude": ["person_1"]}
    with pytest.raises(CropsError, match=r"needs two; 1 of 2 identities left out: person_1 \(excluded\)"):
        train(tiny(**many), tmp_path / "run")


def test_non_finite_loss_stops_with_batch_and_state_saved(tiny, tmp_path, monkeypatch):
    normalise, calls = face.normalise, iter(range(100))

    def poisoned(crops, spec):
        return normalise(crops, spec) * (float("nan") if next(calls) == 5 else 1.0)

    monkeypatch.setattr(face, "normalise", poisoned)
    with pytest.raises(RunError, match=r"step 5: the loss is not finite; its batch .* are in .*failure; try"):
        train(tiny(**{"train.checkpoint_every": 100}), tmp_path / "run")
    failure = tmp_path / "run" / "failure"
    batch = json.loads((failure / "batch_rank0.json").read_text())
    assert batch["step"] == 5
    assert len(batch["paths"]) == len(batch["labels"]) == 8
    assert all(
        f"person_{label}/" in path for path, label in zip(batch["paths"], batch["labels"], strict=True)
    )
    state = checkpoint.load(failure / "state.pt")
    assert state["step"] == 5
    assert all(torch.isfinite(value).all() for value in state["network"].values())


def test_chance_level_is_said_once(tiny, tmp_path, capsys, monkeypatch):
    def blind_network(network_config):
        network = build_network(network_config)
        torch.nn.init.zeros_(network.embed.weight)  # every embedding is zero: all logits are equal
        return network

    build_network = face.build_network
    monkeypatch.setattr(face, "build_network", blind_network)
    monkeypatch.setattr(reporting, "ChanceLevel", partial(ChanceLevel, steps=5))
    train(tiny(**{"optimizer.learning_rate": 1e-12}), tmp_path / "run")
    assert capsys.readouterr().err.count("chance level: since step 0 the loss has been ln(6) = 1.792") == 1


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
