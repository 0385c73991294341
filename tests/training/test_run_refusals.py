"""What a run is refused for, and what it says before its first step."""

import multiprocessing
import os
import signal

import pytest
import torch

from sphereface_plus.data.batches import BatchesError
from sphereface_plus.data.crops import CropsError, SpecError
from sphereface_plus.processes import Processes
from sphereface_plus.training import classifier, face
from sphereface_plus.training import run as run_module
from sphereface_plus.training.failures import explained
from sphereface_plus.training.folder import RunError, RunFolder
from sphereface_plus.training.run import train


def test_a_missing_compiler_is_named(tiny, tmp_path, monkeypatch):
    def no_compiler(*_):
        raise RuntimeError(
            "InvalidCxxCompiler: No working C++ compiler found in torch._inductor.config.cpp.cxx"
        )

    monkeypatch.setattr(classifier.ClassifierLearner, "update", no_compiler)
    with pytest.raises(RunError, match=r"train\.compile needs a C\+\+ compiler, .* install g\+\+"):
        train(tiny(**{"train.compile": True}), tmp_path / "run")
    with pytest.raises(RuntimeError, match="InvalidCxxCompiler"):
        train(tiny(), tmp_path / "plain")


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
    assert "train.batch_size 8 is more than the 6 crops of" in capsys.readouterr().err


def test_a_batch_that_the_processes_cannot_share_leaves_no_folder(tiny, tmp_path, monkeypatch):
    three = Processes(0, 3, torch.device("cpu"))
    monkeypatch.setattr(run_module, "start", lambda device: three)
    monkeypatch.setattr(face, "build_learner", lambda *_, **__: None)
    with pytest.raises(
        BatchesError, match=r"train\.batch_size 8 cannot be shared by 3 processes: it must be a multiple of 3"
    ):
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


def test_a_death_that_was_named_is_not_raised_again_when_its_signal_comes_late(tiny):
    """The connection may end before the signal of the death comes; torch has a handler of it that raises."""

    def late(*_):
        raise RuntimeError("DataLoader worker (pid 7) is killed by signal: Killed.")

    before = signal.signal(signal.SIGCHLD, late)
    try:
        named = pytest.raises(RunError, match="a process that reads crops has died")
        with named, explained(tiny(**{"data.workers": 1})):
            raise ConnectionResetError
        signal.raise_signal(signal.SIGCHLD)
    finally:
        signal.signal(signal.SIGCHLD, before)


def test_a_lost_connection_is_no_death_of_a_reader_where_there_is_none(tiny, tmp_path, monkeypatch):
    def lost(*_):
        raise ConnectionResetError("of something else")

    monkeypatch.setattr(classifier.ClassifierLearner, "update", lost)
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
