"""Checkpoints that are written while the training goes on: the same bytes, one at a time, nothing lost."""

import errno
import threading
from pathlib import Path

import pytest
import torch

from sphereface_plus import checkpoint, config, files
from sphereface_plus.files import WriteError
from sphereface_plus.held_rows import HeldRows, ShareFile
from sphereface_plus.training import classifier
from sphereface_plus.training.failures import NonFiniteError
from sphereface_plus.training.folder import DivergedError, RunFolder
from sphereface_plus.training.logs import read_log
from sphereface_plus.training.run import train
from sphereface_plus.training.saving import OtherShareError, Saver
from tests.small_sets import write_cifar
from tests.training.gan_set import RECIPE as GAN
from tests.training.learners import ALONE
from tests.training.test_image import RECIPE as IMAGE

FULL = OSError(errno.ENOSPC, "No space left on device")


class Disk:
    """In the place of checkpoint.save: writes when it is let, and says what was asked of it."""

    def __init__(self, monkeypatch):
        self.write, self.begun, self.may = checkpoint.save, threading.Event(), threading.Event()
        self.written: list[str] = []
        self.fails_at = None
        monkeypatch.setattr(checkpoint, "save", self.save)

    def save(self, path, payload):
        self.begun.set()
        assert self.may.wait(60)
        if Path(path).name == self.fails_at:
            raise FULL
        self.write(path, payload)
        self.written.append(Path(path).name)


@pytest.fixture
def disk(monkeypatch):
    return Disk(monkeypatch)


def weights(value):
    shared = torch.full((4, 3), float(value))
    return {"step": value, "network": {"a": shared, "b": shared[1:], "c": shared.t()}, "twice": ("x", "x")}


def test_the_file_is_that_of_a_save_that_waits_byte_for_byte(tmp_path):
    for background in (False, True):
        with Saver(ALONE, background=background) as saver:
            saver.save([tmp_path / str(background)], weights(1))
    assert (tmp_path / "True").read_bytes() == (tmp_path / "False").read_bytes()


def test_what_is_written_is_the_state_at_the_call_and_the_next_save_waits_for_it(tmp_path, disk):
    payload = weights(1)
    with Saver(ALONE, background=True) as saver:
        saver.save([tmp_path / "step_1.pt", tmp_path / "last.pt"], payload)
        assert disk.begun.wait(60)
        payload["network"]["a"].zero_()
        payload["network"]["new"] = 1
        saver.check()  # says nothing while it is written
        assert disk.written == []
        threading.Timer(0.05, disk.may.set).start()
        saver.save([tmp_path / "best.pt"], weights(2))
        assert disk.written[:2] == ["step_1.pt", "last.pt"]
    assert disk.written == ["step_1.pt", "last.pt", "best.pt"]
    for name in ("step_1.pt", "last.pt"):
        network = checkpoint.load(tmp_path / name)["network"]
        assert network.keys() == {"a", "b", "c"}
        assert all(torch.equal(value, torch.ones_like(value)) for value in network.values())


@pytest.mark.parametrize("call", ["check", "wait", "save", "end"])
def test_what_went_wrong_is_raised_by_the_next_call_once(tmp_path, disk, call):
    disk.fails_at = "last.pt"
    disk.may.set()
    with pytest.raises(OSError, match="No space left"):
        save_and(call, tmp_path)
    assert disk.written == []


def save_and(call, folder):
    with Saver(ALONE, background=True) as saver:
        saver.save([folder / "last.pt"], weights(1))
        if call == "check":
            saver._pending.exception()  # until it has ended
            saver.check()
        elif call == "save":
            saver.save([folder / "best.pt"], weights(2))
        elif call == "wait":
            saver.wait()


def test_another_error_that_ends_the_run_waits_and_is_the_one_that_is_raised(tmp_path, disk):
    disk.fails_at = "last.pt"
    with pytest.raises(KeyError):
        save_and_fail(tmp_path, disk)
    assert disk.written == ["step_1.pt"]


def save_and_fail(folder, disk):
    with Saver(ALONE, background=True) as saver:
        saver.save([folder / "step_1.pt", folder / "last.pt"], weights(1))
        threading.Timer(0.05, disk.may.set).start()
        raise KeyError


def assert_same_files(one, other):
    """The checkpoints of two runs, but for the setting in their configs."""
    names = [sorted(file.name for file in (run / "checkpoints").iterdir()) for run in (one, other)]
    assert names[0] == names[1] != []
    for name in names[0]:
        found = []
        for run in (one, other):
            payload = checkpoint.load(run / "checkpoints" / name)
            payload["config"]["train"].pop("save_in_background")
            checkpoint.save(run / "again.pt", payload)
            found.append((run / "again.pt").read_bytes())
        assert found[0] == found[1]


def test_a_run_ends_with_the_files_of_one_that_waits(tiny, tmp_path):
    for folder, background in (("waits", False), ("goes on", True)):
        train(tiny(**{"train.save_in_background": background}), tmp_path / folder)
    assert_same_files(tmp_path / "waits", tmp_path / "goes on")


def test_a_run_that_waited_may_go_on_in_the_background(tiny, tmp_path):
    train(tiny(**{"train.steps": 6}), tmp_path / "run")
    assert train(tiny(**{"train.save_in_background": True}), tmp_path / "run", resume=True).step == 8
    assert checkpoint.load(tmp_path / "run")["step"] == 8


def test_a_full_disk_ends_the_run_with_the_same_sentence_before_its_next_checkpoint(
    tiny, tmp_path, monkeypatch
):
    write, said = files._write, {}

    def full(raw, data):
        if Path(raw.name).name.startswith(".step_00000003.pt."):
            raise FULL
        return write(raw, data)

    monkeypatch.setattr(files, "_write", full)
    for background in (False, True):
        folder = RunFolder(tmp_path / str(background))
        with pytest.raises(WriteError) as error:
            train(tiny(**{"train.save_in_background": background}), folder.path)
        said[background] = str(error.value).replace(str(folder.path), "RUN")
        assert 2 <= read_log(folder.log)[-1]["step"] <= 5
        assert not folder.last.exists()
    assert said[True] == said[False]
    assert "RUN/checkpoints/step_00000003.pt: cannot be written (No space left on device); make" in said[True]


def test_a_run_that_diverges_waits_for_the_checkpoint_before(tiny, tmp_path, monkeypatch, disk):
    update = classifier.ClassifierLearner.update

    def diverging(learner, batch, step):
        if step == 4:
            threading.Timer(0.05, disk.may.set).start()
            raise NonFiniteError(step, "loss")
        return update(learner, batch, step)

    monkeypatch.setattr(classifier.ClassifierLearner, "update", diverging)
    with pytest.raises(DivergedError, match="step 4: the loss is not finite"):
        train(tiny(**{"train.save_in_background": True}), tmp_path / "run")
    assert disk.written == ["step_00000003.pt", "last.pt", "state.pt"]


@pytest.mark.parametrize("recipe", [IMAGE, GAN], ids=["image", "gan"])
def test_other_tasks_save_the_same_in_the_background(recipe, tmp_path):
    data = write_cifar(tmp_path / "cifar", train=3, test=1)
    tree = recipe | {"data": recipe["data"] | {"path": str(data)}}
    for background in (False, True):
        settings = tree | {"train": tree["train"] | {"save_in_background": background}}
        train(config.from_dict(settings), tmp_path / str(background))
    assert_same_files(tmp_path / "False", tmp_path / "True")
    grids = [sorted((tmp_path / name).glob("samples/*.png")) for name in ("False", "True")]
    for one, other in zip(*grids, strict=True):
        assert one.read_bytes() == other.read_bytes()


def test_rows_that_another_machine_has_written_to_a_disk_of_its_own_are_told_at_the_first_save(
    tmp_path, monkeypatch
):
    name = "last.share_2_of_2.0123456789abcdef.safetensors"
    file = ShareFile(name=name, first=0, end=1, size=1, sha256="")
    monkeypatch.setattr(Saver, "_all_shares", lambda *_: [file])
    saver = Saver(ALONE, background=False)
    with pytest.raises(OtherShareError, match=f"{name}: is not seen here, though another process has w"):
        saver._write([tmp_path / "last.pt"], {}, {("a",): HeldRows(torch.ones(1, 1), 0, 2)}, is_last=True)
    assert list(tmp_path.iterdir()) == []
