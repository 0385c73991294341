import hashlib
import multiprocessing
import os
import pickle
import signal
import time
import zipfile
from contextlib import suppress

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sphereface_plus import checkpoint
from sphereface_plus.checkpoint import CheckpointError

# Python 3.12 warns of a fork in a process with threads, which torch has; here it makes starting fast.
pytestmark = pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")


@pytest.fixture
def payload():
    return {
        "network": {"weight": torch.randn(20, 30)},
        "config": {"name": "test", "milestones": [1, 2], "clip": None},
        "identities": ["Ann", "Bjørk"],
        "step": 7,
        "random": {"cpu": torch.get_rng_state()},
        "best": {"accuracy": 0.5},
    }


def test_what_was_saved_is_loaded(tmp_path, payload):
    checkpoint.save(tmp_path / "new" / "folder" / "last.pt", payload)
    loaded = checkpoint.load(tmp_path / "new" / "folder" / "last.pt")
    assert loaded.pop("format") == 1
    assert loaded.keys() == payload.keys()
    assert torch.equal(loaded["network"]["weight"], payload["network"]["weight"])
    assert torch.equal(loaded["random"]["cpu"], payload["random"]["cpu"])
    assert {key: loaded[key] for key in ("config", "identities", "step", "best")} == {
        key: payload[key] for key in ("config", "identities", "step", "best")
    }


def test_a_run_folder_stands_for_its_last_checkpoint_and_others_go_by_their_path(tmp_path, payload):
    checkpoint.save(tmp_path / "checkpoints" / "last.pt", payload)
    checkpoint.save(tmp_path / "checkpoints" / "best.pt", {**payload, "step": 3})
    assert checkpoint.resolve(tmp_path) == tmp_path / "checkpoints" / "last.pt"
    assert checkpoint.load(tmp_path)["step"] == 7
    assert checkpoint.load(tmp_path / "checkpoints" / "best.pt")["step"] == 3


def test_a_folder_without_a_checkpoint_and_a_missing_file_are_named(tmp_path):
    with pytest.raises(CheckpointError, match=r"is not a run folder, there is no checkpoints/last\.pt"):
        checkpoint.load(tmp_path)
    with pytest.raises(CheckpointError, match=r"none\.pt: there is no such run folder or checkpoint"):
        checkpoint.load(tmp_path / "none.pt")


def test_a_failed_save_leaves_the_old_checkpoint_and_nothing_else(tmp_path, payload, monkeypatch):
    file = tmp_path / "last.pt"
    checkpoint.save(file, payload)
    before = file.read_bytes()
    with pytest.raises((pickle.PicklingError, AttributeError)):
        checkpoint.save(file, {**payload, "bad": lambda: None})

    def disk_full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", disk_full)
    with pytest.raises(OSError, match="No space left"):
        checkpoint.save(file, {**payload, "step": 8})
    assert file.read_bytes() == before
    assert list(tmp_path.iterdir()) == [file]


def save_and_die_before_the_rename(file, payload):
    os.fsync = lambda _: os.kill(os.getpid(), signal.SIGKILL)
    checkpoint.save(file, payload)


def save_for_ever(file, payload):
    for step in range(1_000_000):
        checkpoint.save(file, {**payload, "step": step, "check": torch.full((200_000,), float(step))})


@pytest.fixture
def started():
    """(function, arguments): starts it in a process of its own, which does not outlive the test."""
    processes = []

    def start(function, *arguments):
        processes.append(multiprocessing.get_context("fork").Process(target=function, args=arguments))
        processes[-1].start()
        return processes[-1]

    yield start
    for process in processes:
        process.kill()
        process.join()


def test_kill_9_before_the_rename_leaves_the_old_checkpoint_and_the_next_save_works(
    tmp_path, payload, started
):
    file = tmp_path / "last.pt"
    checkpoint.save(file, payload)
    process = started(save_and_die_before_the_rename, file, {**payload, "step": 8})
    process.join(60)
    assert process.exitcode == -signal.SIGKILL
    assert checkpoint.load(file)["step"] == 7
    checkpoint.save(file, {**payload, "step": 9})
    assert checkpoint.load(file)["step"] == 9
    assert list(tmp_path.iterdir()) == [file]  # the killed save's remains are used up, not piled up


@pytest.mark.parametrize("delay", [0.05, 0.11, 0.23])
def test_kill_9_at_any_moment_leaves_a_whole_checkpoint(tmp_path, payload, started, delay):
    file = tmp_path / "last.pt"
    checkpoint.save(file, {**payload, "step": -1, "check": torch.full((200_000,), -1.0)})
    process = started(save_for_ever, file, payload)
    time.sleep(delay)
    process.kill()
    process.join()
    loaded = checkpoint.load(file)
    assert (loaded["check"] == loaded["step"]).all()


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9, 0.999])
def test_a_truncated_checkpoint_is_refused(tmp_path, payload, share):
    file = tmp_path / "last.pt"
    checkpoint.save(file, payload)
    whole = file.read_bytes()
    file.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(CheckpointError, match=r"last\.pt: is damaged, cut short or no checkpoint \("):
        checkpoint.load(file)


def test_a_flipped_bit_in_the_weights_is_noticed(tmp_path, payload):
    file = tmp_path / "last.pt"
    checkpoint.save(file, payload)
    data = bytearray(file.read_bytes())
    data[data.index(payload["network"]["weight"].numpy().tobytes()) + 1] ^= 1
    file.write_bytes(data)
    with pytest.raises(CheckpointError, match=r"is damaged.*the checksum of archive/data/0 does not match"):
        checkpoint.load(file)


def archive_of(path, pickled: bytes, compression=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, data in (("data.pkl", pickled), ("byteorder", b"little"), ("version", b"3\n")):
            archive.writestr(f"archive/{name}", data)
    return path


TUPLES = {
    "deep": b")" + b"\x85" * 10**6,  # its hash overflows the stack
    "wide": b")q\x00" + b"0h\x00h\x00\x86q\x00" * 99,  # its hash never ends
}


@pytest.mark.parametrize(
    ("pickled", "compression", "message"),
    [
        (b"\x80\x02R.", zipfile.ZIP_STORED, "a value is missing"),
        (b"\x80\x02h\x05.", zipfile.ZIP_STORED, "5"),  # KeyError
        (b"\x80\x02}(" + TUPLES["deep"] + b"K\x01u.", zipfile.ZIP_STORED, "its tuples are nested too deep"),
        (b"\x80\x02}(" + TUPLES["wide"] + b"K\x01u.", zipfile.ZIP_STORED, "its tuples are nested too deep"),
        (b"\x80\x02c1\nb\n.", zipfile.ZIP_STORED, "."),
        (b"\x80\x02N." + bytes(10**7), zipfile.ZIP_DEFLATED, "it is compressed"),
        (b"\x80\x02N.", zipfile.ZIP_LZMA, "it is compressed"),
    ],
    ids=range(7),
)
def test_whatever_a_damaged_pickle_raises_is_one_error(tmp_path, pickled, compression, message):
    with pytest.raises(CheckpointError, match=rf"last\.pt: (is damaged, .*{message}|holds more)"):
        checkpoint.load(archive_of(tmp_path / "last.pt", pickled, compression))


class Malicious:
    def __reduce__(self):
        return print, ("code ran",)


def test_a_checkpoint_with_code_in_it_is_refused_and_the_code_does_not_run(tmp_path, capsys):
    torch.save({"format": 1, "network": Malicious()}, tmp_path / "bad.pt")
    with pytest.raises(CheckpointError, match="holds more than tensors and plain data; refused"):
        checkpoint.load(tmp_path / "bad.pt")
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"state_dict": {}}, "is a file of torch's, but no checkpoint of sphereface_plus"),
        (torch.zeros(3), "is a file of torch's, but no checkpoint of sphereface_plus"),
        ({"format": torch.ones(2)}, "is a file of torch's, but no checkpoint of sphereface_plus"),
        ({"format": 3}, "has format 3, this version reads 1 and 2; take a newer version"),
    ],
)
def test_other_files_of_torch_are_refused(tmp_path, content, message):
    torch.save(content, tmp_path / "other.pt")
    with pytest.raises(CheckpointError, match=message):
        checkpoint.load(tmp_path / "other.pt")


def test_an_archive_of_something_else_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "other.pt", "w") as archive:
        archive.writestr("hello.txt", "hello")
    with pytest.raises(CheckpointError, match="is damaged, cut short or no checkpoint"):
        checkpoint.load(tmp_path / "other.pt")


def test_sha256_is_that_of_the_bytes(tmp_path):
    (tmp_path / "file").write_bytes(b"abc" * 100_000)
    assert checkpoint.sha256(tmp_path / "file") == hashlib.sha256(b"abc" * 100_000).hexdigest()


@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_no_damage_gives_another_error_than_a_checkpoint_error(tmp_path_factory, damage, data):
    path = tmp_path_factory.getbasetemp() / "fuzzed.pt"
    checkpoint.save(path, {"network": {"weight": torch.ones(2, 3)}, "identities": ["Ann"], "best": None})
    if data.draw(st.booleans()):
        path.write_bytes(damage(data, path.read_bytes()))
    else:  # with the checksums put right
        with zipfile.ZipFile(path) as archive:
            members = {name: archive.read(name) for name in archive.namelist()}
        with zipfile.ZipFile(path, "w") as archive:
            for name, content in members.items():
                archive.writestr(name, damage(data, content) if name.endswith("data.pkl") else content)
    with suppress(CheckpointError):
        assert checkpoint.load(path)["format"] == 1
