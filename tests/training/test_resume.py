"""--resume after kill -9: a run ends with the uninterrupted one's numbers, in whatever state it was left."""

import errno
import os
import random
import shutil
import signal
import sys
import time
from pathlib import Path

import pytest
import torch
import yaml

from sphereface_plus import checkpoint
from sphereface_plus.training import classifier
from sphereface_plus.training.folder import RunError, RunFolder
from sphereface_plus.training.logs import read_log
from sphereface_plus.training.run import train
from tests.forked import Forked

TIMINGS = {"images_per_second", "data_wait_share"}
STEPS = 24


class KilledError(BaseException):
    """The end of a process, in this one."""


@pytest.fixture
def settings(tiny, crops, tmp_path):
    """Eight steps, a checkpoint every third, a validation every second one."""
    pairs = []
    for person in range(5):
        key = f"person_{person}/person_{person}"
        pairs += [f"{key}_0001 {key}_0002 1", f"{key}_0003 person_{person + 1}/person_{person + 1}_0002 0"]
    (tmp_path / "pairs.txt").write_text("\n".join([*pairs, *pairs]) + "\n")
    return tiny(
        **{
            "validation.pairs": str(tmp_path / "pairs.txt"),
            "validation.images": str(crops),
            "validation.every": 2,
        }
    )


def killed_at(step, settings, folder, monkeypatch):
    """Trains, and is gone before update `step`."""
    update = classifier.ClassifierLearner.update

    def until(learner, batch, now):
        if now == step:
            raise KilledError
        return update(learner, batch, now)

    monkeypatch.setattr(classifier.ClassifierLearner, "update", until)
    with pytest.raises(KilledError):
        train(settings, folder.path)
    monkeypatch.undo()


def cut(file):
    """Leaves the first half of a file."""
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def only_config(folder):
    for file in folder.path.iterdir():
        if file != folder.config:
            file.unlink() if file.is_file() else shutil.rmtree(file)


def half_written(folder):
    (folder.last.parent / ".last.pt.0123abcd.tmp").write_bytes(folder.best.read_bytes()[:1000])
    with folder.log.open("a") as log:
        log.write('{"step": 1, "lo')


def last_is_damaged(folder):
    cut(folder.last)


def last_is_gone_and_newest_step_damaged(folder):
    folder.last.unlink()
    cut(folder.at_step(6))
    cut(folder.best)


def killed_between_step_and_last(folder):
    shutil.copy(folder.at_step(3), folder.last)


def best_is_newer_than_last(folder):
    folder.at_step(6).replace(folder.best)
    os.utime(folder.best)
    shutil.copy(folder.at_step(3), folder.last)
    os.utime(folder.last, ns=(0, 0))


def best_is_older_and_written_later(folder):
    shutil.copy(folder.at_step(3), folder.best)  # as a copy of the folder may set the times


def nothing_is_whole(folder):
    for file in folder.last.parent.iterdir():
        cut(file)


@pytest.mark.parametrize(
    ("kill_at", "leave", "said"),
    [
        (1, only_config, ""),
        (1, lambda folder: None, "there is no last.pt; the run goes on at step 0, from best.pt"),
        (1, half_written, "there is no last.pt; the run goes on at step 0, from best.pt"),
        (7, lambda folder: None, "run: the run goes on at step 6, from last.pt"),
        (7, last_is_damaged, "last.pt is damaged, and kept as last.pt.damaged; the run goes on at step 6, "),
        (7, last_is_gone_and_newest_step_damaged, "the run goes on at step 3, from step_00000003.pt"),
        (7, killed_between_step_and_last, "run: the run goes on at step 6, from step_00000006.pt"),
        (7, best_is_newer_than_last, "run: the run goes on at step 6, from best.pt"),
        (7, best_is_older_and_written_later, "run: the run goes on at step 6, from last.pt"),
        (7, nothing_is_whole, "there is no whole checkpoint, the run starts from step 0"),
    ],
)
def test_a_killed_run_goes_on_from_the_newest_whole_checkpoint_with_the_same_numbers(
    settings, tmp_path, monkeypatch, capsys, kill_at, leave, said
):
    train(settings, tmp_path / "whole")
    folder = RunFolder(tmp_path / "run")
    killed_at(kill_at, settings, folder, monkeypatch)
    leave(folder)
    capsys.readouterr()
    assert train(settings, folder.path, resume=True).step == 8
    assert said in capsys.readouterr().err
    assert numbers(folder.log) == numbers(tmp_path / "whole" / "log.jsonl")
    whole, resumed = checkpoint.load(tmp_path / "whole"), checkpoint.load(folder.path)
    for part in ("network", "loss"):
        assert all(torch.equal(whole[part][name], resumed[part][name]) for name in whole[part])
    assert not list(folder.last.parent.glob(".*.tmp"))
    if leave is nothing_is_whole:
        assert (folder.last.parent / "last.pt.damaged").is_file()  # nothing is thrown away


def test_a_run_killed_after_its_last_step_and_before_last_pt_gets_it(settings, tmp_path):
    folder = RunFolder(tmp_path / "run")
    train(settings, folder.path)
    before = numbers(folder.log)
    folder.last.replace(folder.at_step(8))
    outcome = train(settings, folder.path, resume=True)
    assert (outcome.step, outcome.was_finished) == (8, False)
    assert checkpoint.load(folder.last)["step"] == 8
    assert numbers(folder.log) == before
    assert train(settings, folder.path, resume=True).was_finished


def test_a_folder_that_a_kill_left_without_a_config_is_begun(settings, tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / ".lock").touch()
    (tmp_path / "run" / ".config.yaml.0123abcd.tmp").write_text("name: ti")
    assert train(settings, tmp_path / "run", resume=True).step == 8


@pytest.mark.parametrize("format", [2, None])
def test_what_is_no_damage_is_refused_and_stays_where_it_is(settings, tmp_path, format):
    folder = RunFolder(tmp_path / "run")
    folder.write_config(settings)
    folder.last.parent.mkdir()
    torch.save({"format": format, "step": 1}, folder.last)
    with pytest.raises(RunError, match=r"last\.pt: .*; or start a new run with --out"):
        train(settings, folder.path, resume=True)
    assert folder.last.is_file()


@pytest.mark.parametrize("number", [errno.EIO, errno.ESTALE])
def test_a_disk_that_fails_is_no_damage_of_the_file(settings, tmp_path, monkeypatch, number):
    train(settings, tmp_path / "run")

    def fail(*_, **__):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(torch, "load", fail)
    with pytest.raises(RunError, match=r"last\.pt: cannot be read \("):
        train(settings, tmp_path / "run", resume=True)
    monkeypatch.undo()
    assert (tmp_path / "run" / "checkpoints" / "last.pt").is_file()


def test_want_of_memory_is_no_damage(settings, tmp_path, monkeypatch):
    folder = RunFolder(tmp_path / "run")
    train(settings, folder.path)

    def no_memory(*_, **__):
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes")

    monkeypatch.setattr(torch, "load", no_memory)
    with pytest.raises(RunError, match=r"last\.pt: cannot be read, memory is short"):
        train(settings, folder.path, resume=True)
    assert folder.last.is_file()


@pytest.mark.slow
def test_killed_and_resumed_run_equals_the_uninterrupted_one_bit_by_bit(recipe, tiny, tmp_path):
    changes = {"train.steps": STEPS, "optimizer.milestones": [12], "train.checkpoint_every": 4}
    train(
        tiny(**changes), tmp_path / "whole"
    )  # reads its crops itself; the killed run has two reading processes
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(recipe(**changes)))
    command = [sys.executable, "-m", "sphereface_plus", "train", str(tmp_path / "recipe.yaml")]
    command += ["--out", str(tmp_path / "killed"), "--set", "data.workers=2"]
    log = tmp_path / "killed" / "log.jsonl"
    dice = random.Random(os.urandom(8).hex())  # other steps each time: the claim is for every step
    kills = sorted(dice.sample(range(STEPS - 10), 2))
    for attempt, kill_after in enumerate([*kills, None]):
        said = (tmp_path / f"said_{attempt}").open("w")
        with said:
            process = Forked(
                command + ["--resume"] * (attempt > 0),
                stdout=said,
                env=os.environ | {"OMP_NUM_THREADS": "1"},
            )
        while kill_after is not None and process.poll() is None:
            if log.exists() and log.read_text().count("\n") > kill_after:
                process.kill()
            time.sleep(0.01)
        ended = 0 if kill_after is None else -signal.SIGKILL
        assert process.wait() == ended, (kills, Path(said.name).read_text())
    assert numbers(log) == numbers(tmp_path / "whole" / "log.jsonl"), kills
    whole, killed = checkpoint.load(tmp_path / "whole"), checkpoint.load(tmp_path / "killed")
    for part in ("network", "loss"):
        assert all(torch.equal(whole[part][name], killed[part][name]) for name in whole[part]), kills


def numbers(log):
    """Every number but the timings, as text: equal means equal to the last bit."""
    return [
        {name: repr(value) for name, value in line.items() if name not in TIMINGS} for line in read_log(log)
    ]
