"""Checkpoints whose rows lie in a file of each process, beside the same ones in one file."""

import copy
import errno
import os
import shutil

import pytest
import torch
from safetensors.torch import load_file, safe_open, save_file

from sphereface_plus import checkpoint, stored_rows, weights
from sphereface_plus.held_rows import HeldRows, held_in, names_in, remove_old, with_index, write_share
from sphereface_plus.model_files import CheckpointError

C, D = 11, 3
BORDERS = [0, 3, 6, 9, 11]  # of four processes


def state():
    """A checkpoint's payload with all rows."""
    generator = torch.Generator().manual_seed(0)
    prototypes, momentum = torch.randn(2, C, D, generator=generator)
    return {
        "step": 4,
        "network": {"weight": torch.randn(2, 2, generator=generator)},
        "loss": {"prototypes": prototypes, "bias": torch.randn(C, generator=generator).double()},
        "optimizer": {"state": {0: {"momentum_buffer": torch.ones(2)}, 1: {"momentum_buffer": momentum}}},
    }


def held_by(rank, whole):
    """The same as this process has it."""
    first, end = BORDERS[rank : rank + 2]
    mine = copy.deepcopy(whole)
    for place, name in ((mine["loss"], "prototypes"), (mine["loss"], "bias")):
        place[name] = HeldRows(place[name][first:end], first, C)
    momentum = mine["optimizer"]["state"][1]
    momentum["momentum_buffer"] = HeldRows(momentum["momentum_buffer"][first:end], first, C)
    return mine


def save(path, whole):
    """As four processes do. Returns what their files are called."""
    held = [dict(held_in(held_by(rank, whole))) for rank in range(4)]
    files = [write_share(path, rows, rank, 4) for rank, rows in enumerate(held)]
    payload = with_index(held_by(0, whole), held[0], files)
    checkpoint.save(path, payload)
    assert names_in(payload) == {file.name for file in files}
    return [file.name for file in files]


def assert_same(found, expected):
    assert type(found) is type(expected)
    if isinstance(expected, dict):
        assert found.keys() == expected.keys()
        for key, value in expected.items():
            assert_same(found[key], value)
    elif isinstance(expected, torch.Tensor):
        assert found.dtype == expected.dtype
        assert torch.equal(found, expected)
    else:
        assert found == expected


@pytest.fixture
def saved(tmp_path):
    """(the checkpoint, what its files are called)."""
    return tmp_path / "last.pt", save(tmp_path / "last.pt", state())


def test_it_is_read_as_the_same_state_in_one_file_is(saved, tmp_path):
    checkpoint.save(tmp_path / "one.pt", state())
    assert_same(checkpoint.load(saved[0]), checkpoint.load(tmp_path / "one.pt"))


def test_safetensors_itself_reads_each_file(saved):
    for rank, name in enumerate(saved[1]):
        first, end = BORDERS[rank : rank + 2]
        found = load_file(saved[0].with_name(name))
        assert sorted(found) == ["loss.bias", "loss.prototypes", "optimizer.state.1.momentum_buffer"]
        assert torch.equal(found["loss.prototypes"], state()["loss"]["prototypes"][first:end])
        assert torch.equal(found["loss.bias"], state()["loss"]["bias"][first:end])


def test_any_stretch_of_rows_is_the_whole_ones(saved):
    stored = checkpoint.load_apart(saved[0])["loss"]
    for name, whole in state()["loss"].items():
        assert len(stored[name]) == C
        for first in range(C + 1):
            for end in range(first, C + 1):
                assert torch.equal(stored[name][first:end], whole[first:end])


@pytest.mark.parametrize("processes", [1, 2, 3, 4, 5])
def test_a_process_that_goes_on_reads_its_rows_and_no_others(saved, monkeypatch, processes):
    read = []

    class Counting:
        def __init__(self, path, **settings):
            self.file = safe_open(path, **settings)

        def __enter__(self):
            return self

        def __exit__(self, *error):
            pass

        def keys(self):
            return self.file.keys()

        def get_slice(self, name):
            found = self.file.get_slice(name)
            return Slice(found)

    class Slice:
        def __init__(self, found):
            self.found, self.get_dtype, self.get_shape = found, found.get_dtype, found.get_shape

        def __getitem__(self, wanted):
            read.append(self.found[wanted])
            return read[-1]

    monkeypatch.setattr(stored_rows, "safe_open", Counting)
    payload = checkpoint.load_apart(saved[0])
    assert read == []
    for rank in range(processes):
        first, end = C * rank // processes, C * (rank + 1) // processes
        mine = payload["loss"]["prototypes"][first:end]
        assert sum(rows.numel() for rows in read) == mine.numel() == (end - first) * D
        read.clear()


def test_the_processes_hash_each_file_once(saved):
    payload = checkpoint.load_apart(saved[0])
    damaged = saved[0].with_name(saved[1][2])
    damaged.write_bytes(damaged.read_bytes()[:-1] + b"\0")
    wrong = [stored_rows.wrong_bytes(saved[0], payload, rank=rank, of=3) for rank in range(3)]
    assert wrong == [[False] * 4, [False] * 4, [False, False, True, False]]


def missing(files):
    files[1].unlink()


def cut_short(files):
    files[1].write_bytes(files[1].read_bytes()[:-5])


def exchanged(files):
    first, second = files[0].read_bytes(), files[1].read_bytes()
    assert len(first) == len(second)
    files[0].write_bytes(second)
    files[1].write_bytes(first)


def one_bit(files):
    content = bytearray(files[1].read_bytes())
    content[-1] ^= 1
    files[1].write_bytes(content)


def no_header(files):
    content = files[1].read_bytes()
    files[1].write_bytes(b"\xff" * 16 + content[16:])


@pytest.mark.parametrize(
    ("change", "number", "said"),
    [
        (missing, 1, "is missing; put it back beside the checkpoint"),
        (cut_short, 1, "is cut short, or another file"),
        (exchanged, 0, "is damaged, or another file of that size"),
        (one_bit, 1, "is damaged, or another file of that size"),
        (no_header, 1, "is damaged ("),
    ],
)
def test_a_file_that_is_not_what_was_written_is_named(saved, change, number, said):
    change([saved[0].with_name(name) for name in saved[1]])
    with pytest.raises(checkpoint.DamagedError) as error:
        checkpoint.load(saved[0])
    assert str(error.value).startswith(f"{saved[0]}: its share {saved[1][number]} {said}")


def test_a_file_that_may_not_be_read_is_not_called_damaged(saved, monkeypatch):
    def refused(path, **settings):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))

    monkeypatch.setattr(stored_rows, "safe_open", refused)
    with pytest.raises(
        CheckpointError, match=rf"{saved[1][0]}: cannot be read \(Permission denied\)"
    ) as error:
        checkpoint.load(saved[0])
    assert not isinstance(error.value, checkpoint.DamagedError)


def test_a_file_with_other_tensors_is_named(saved):
    path = saved[0].with_name(saved[1][3])
    size = path.stat().st_size
    save_file({"loss.prototypes": torch.zeros(3)}, path)
    path.write_bytes(path.read_bytes().ljust(size, b"\0"))
    with pytest.raises(checkpoint.DamagedError, match="share_4_of_4"):
        checkpoint.load(saved[0])


ANOTHER_FOLDERS = "../other/last.share_1_of_4.0123456789abcdef.safetensors"
UNFIT = "names files that cannot hold its rows"
HOSTILE = [
    (lambda files, tensors: files[0].update(name=ANOTHER_FOLDERS), UNFIT),
    (lambda files, tensors: files[0].update(name="/etc/passwd"), UNFIT),
    (lambda files, tensors: files[1].update(first=2), UNFIT),
    (lambda files, tensors: files.clear(), UNFIT),
    (lambda files, tensors: tensors[0].update(shape=[2**40, D]), UNFIT),
    (lambda files, tensors: tensors[0].update(shape=[C, 2**40]), "is of another checkpoint"),
    (lambda files, tensors: tensors[0].update(place=["network"]), "is of another checkpoint"),
    (lambda files, tensors: tensors.append(tensors[0]), "has no place for its rows of loss.prototypes"),
    (lambda files, tensors: tensors[0].update(dtype="I8"), "holds rows of I8, which this version cannot"),
    (lambda files, tensors: tensors[0].update(dtype=8), "does not say in which files its rows lie"),
]


@pytest.mark.parametrize(("change", "said"), HOSTILE)
def test_an_index_that_no_save_makes_is_refused(saved, change, said):
    held = dict(held_in(held_by(0, state())))
    payload = with_index(held_by(0, state()), held, [])
    payload["shares"]["files"] = torch.load(saved[0])["shares"]["files"]
    change(*payload["shares"].values())
    checkpoint.save(saved[0], payload)
    with pytest.raises(CheckpointError, match=said):
        checkpoint.load(saved[0])


def test_a_file_of_rows_is_no_model(saved):
    path = saved[0].with_name(saved[1][0])
    with pytest.raises(CheckpointError, match=r"holds rows of a checkpoint; give the run, or the checkpoint"):
        weights.load(path)


def test_the_same_rows_are_the_same_file(saved):
    before = {name: saved[0].with_name(name).read_bytes() for name in saved[1]}
    assert save(saved[0], state()) == saved[1]
    assert {name: saved[0].with_name(name).read_bytes() for name in saved[1]} == before


def names(folder):
    return sorted(file.name.partition(".share")[0] for file in folder.glob("*.share_1_*"))


def test_what_no_checkpoint_names_is_removed_and_nothing_else(tmp_path):
    """last.pt names the files of step 4, as after a run's save; those of step 8 are left of a killed one."""
    for name in ("step_4.pt", "best.pt", "step_8.pt", "old.pt"):
        save(tmp_path / name, state() | {"step": name})
    newer = state()
    newer["loss"]["bias"] += 1
    kept = save(tmp_path / "step_4.pt", newer)
    shutil.copy(tmp_path / "step_4.pt", tmp_path / "last.pt")
    (tmp_path / "step_8.pt").unlink()
    (tmp_path / "old.pt").rename(tmp_path / "old.pt.damaged")
    (tmp_path / "mine.share_1_of_1.safetensors").touch()
    assert names(tmp_path) == ["best", "mine", "old", "step_4", "step_4", "step_8"]
    remove_old(tmp_path, set(kept), of=[tmp_path / "step_4.pt", tmp_path / "last.pt"], orphans=False)
    assert names(tmp_path) == ["best", "mine", "old", "step_4", "step_8"]
    remove_old(tmp_path, set(kept), of=[tmp_path / "step_4.pt", tmp_path / "last.pt"], orphans=True)
    assert names(tmp_path) == ["best", "mine", "old", "step_4"]
    for name in ("step_4.pt", "last.pt", "best.pt", "old.pt.damaged"):
        checkpoint.load(tmp_path / name)
