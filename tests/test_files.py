"""Files appear whole or not at all, whoever else writes them; what stops them is said with the path."""

from __future__ import annotations

import errno
import multiprocessing
import os
import signal
import threading
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import torch

from data_prep.journal import Done, Journal
from sphereface_plus import checkpoint, files, weights
from sphereface_plus.config import NetworkConfig
from sphereface_plus.data.formats.bins import write_bin
from sphereface_plus.data.formats.embeddings import write_embeddings
from sphereface_plus.data.formats.image_records import write_image_records
from sphereface_plus.data.formats.manifest import write_manifest
from sphereface_plus.errors import UserError
from sphereface_plus.files import (
    NewFiles,
    WriteError,
    is_unfinished,
    new_file,
    new_text,
    text_of,
    write_bytes,
    write_text,
)

NUMBERS = np.random.default_rng(0).normal(size=(100, 1000)).astype(np.float32)


@pytest.fixture
def full_disk(monkeypatch):
    """No file takes more than 64 kB from now on."""

    def write(raw, data):
        if os.lseek(raw.fileno(), 0, os.SEEK_CUR) + len(data) > 2**16:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return os.write(raw.fileno(), data)

    monkeypatch.setattr(files, "_write", write)


def write_weights(path: Path) -> None:
    network = NetworkConfig.model_validate({"name": "sphereface4"})
    info = weights.WeightsInfo(network=network, origin=weights.Origin(format="x", file="x", sha256="x"))
    weights.save(path, info, {"a": torch.from_numpy(NUMBERS)})


def write_figure(path: Path) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 8))
    figure.subplots().imshow(NUMBERS)
    files.write_figure(path, figure)


WRITERS = {
    "text": lambda path: write_text(path, "é" * 100_000),
    "checkpoint": lambda path: checkpoint.save(path, {"weights": torch.from_numpy(NUMBERS)}),
    "weight file": write_weights,
    "embeddings": lambda path: write_embeddings(path, [str(i) for i in range(100)], NUMBERS, {}),
    "bin": lambda path: write_bin(path, [(NUMBERS.tobytes(), b"")], [True]),
    "rec": lambda path: write_image_records(path, [(0, NUMBERS.tobytes())], size=(2, 2), names=b"n\n"),
    "CSV": lambda path: files.write_csv(path, ["a"], [["b" * 100_000]]),
    "figure": write_figure,
}


@pytest.mark.parametrize("kind", WRITERS)
def test_a_full_disk_is_said_with_the_path_and_leaves_what_was_there(tmp_path, kind, full_disk):
    path = tmp_path / "out.rec"
    path.write_text("before")
    with pytest.raises(
        WriteError,
        match=r"out\.rec: cannot be written \(No space left on device\); make room there, and give the",
    ):
        WRITERS[kind](path)
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]


def test_a_line_of_a_journal_that_finds_no_room_is_said_with_the_path(tmp_path):
    journal = Journal(tmp_path / "crops", {})
    with journal:
        assert journal._file is not None
        journal._file.close()
        journal._file = Path("/dev/full").open("a", buffering=1)  # noqa: SIM115
        with pytest.raises(WriteError, match=r"progress\.jsonl: cannot be written \(No space left"):
            journal.add(Done("a.jpg", "a", 1, 1, "", "", ()))


def test_a_place_that_takes_no_file_is_named(tmp_path):
    (tmp_path / "file").touch()
    for path in (tmp_path / "file" / "a.csv", tmp_path / ("a" * 300)):
        with pytest.raises(
            WriteError, match=r": cannot be written \((Not a directory|File name too long|File exists)\)$"
        ):
            write_manifest(path, [])
    assert [file.name for file in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, FileNotFoundError])
def test_an_error_of_the_writer_is_passed_on_as_it_is(tmp_path, error):
    (tmp_path / "a").write_text("before")

    def fail_half_way():
        with new_file(tmp_path / "a") as file:
            file.write(b"half")
            raise error("of the writer")

    with pytest.raises(error, match="of the writer"):
        fail_half_way()
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("a", "before")]


def test_files_that_belong_together_appear_when_the_last_of_them_is_whole(tmp_path, monkeypatch):
    (tmp_path / "a").write_text("before")
    with NewFiles() as new:
        new.open(tmp_path / "a").write(b"1")
        new.open(tmp_path / "b" / "c").write(b"2")
        new.finish()
        assert (tmp_path / "a").read_text() == "before"
        assert not (tmp_path / "b" / "c").exists()
    assert ((tmp_path / "a").read_text(), (tmp_path / "b" / "c").read_text()) == ("1", "2")
    assert [path.name for path in (tmp_path / "b").iterdir()] == ["c"]


def test_an_old_file_that_must_not_lie_beside_new_ones_goes_before_they_appear(tmp_path, monkeypatch):
    for name in "ab":
        (tmp_path / name).write_text("before")
    replace, seen = Path.replace, []

    def look(path, target):
        seen.append((target.name, (tmp_path / "b").exists()))
        return replace(path, target)

    monkeypatch.setattr(Path, "replace", look)
    with NewFiles() as new:
        new.open(tmp_path / "a")
        new.open(tmp_path / "b", remove_first=True)
        assert (tmp_path / "b").read_text() == "before"
    assert seen == [("a", False), ("b", False)]
    with suppress(ValueError), NewFiles() as new:
        new.open(tmp_path / "b", remove_first=True)
        raise ValueError
    assert (tmp_path / "b").exists(), "an error removes nothing"


def test_text_keeps_its_line_ends_and_the_longest_name_is_taken(tmp_path):
    path = tmp_path / ("é" * 127)  # 254 bytes
    with new_text(path) as file:
        file.write("a\r\nb\n")
    assert path.read_bytes() == b"a\r\nb\n"
    assert path.stat().st_mode & 0o777 == 0o666 & ~_umask()


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def test_two_writers_of_one_file_do_not_mix(tmp_path):
    path, content = tmp_path / "a", {b"%d" % number * 300_000 for number in range(8)}

    def write(data: bytes) -> None:
        with new_file(path, large=True) as file:
            for start in range(0, len(data), 1000):
                file.write(data[start : start + 1000])

    threads = [threading.Thread(target=write, args=(data,)) for data in content]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert path.read_bytes() in content
    assert list(tmp_path.iterdir()) == [path]


def test_a_writer_that_has_closed_its_file_keeps_it_until_it_has_its_name(tmp_path):
    with NewFiles(large=True) as new:
        new.open(tmp_path / "a").write(b"1")
        new.finish()
        with new_file(tmp_path / "a", large=True) as file:  # which removes what the dead have left
            file.write(b"2")
        assert (tmp_path / "a").read_bytes() == b"2"
    assert (tmp_path / "a").read_bytes() == b"1"


def test_a_file_that_is_removed_before_its_writer_has_the_lock_is_made_again(tmp_path, monkeypatch):
    fcntl = pytest.importorskip("fcntl")
    made = []

    class Removed(files._Raw):
        """The first one is locked at once by another writer, which takes it for one of a dead one."""

        def __init__(self, name, mode) -> None:
            super().__init__(name, mode)
            if not made:
                other = Path(name).open("rb")  # noqa: SIM115
                fcntl.flock(other, fcntl.LOCK_EX)
                threading.Timer(0.1, lambda: (Path(name).unlink(), other.close())).start()
            made.append(name)

    monkeypatch.setattr(files, "_Raw", Removed)
    write_bytes(tmp_path / "a", b"1")
    assert (tmp_path / "a").read_bytes() == b"1"
    assert len(made) == 2


def _write_and_die(path: Path) -> None:
    with new_file(path) as file:
        file.write(b"half")
        file.flush()
        os.kill(os.getpid(), signal.SIGKILL)


def test_what_a_killed_writer_left_goes_with_the_next_large_file_and_what_a_living_one_has_stays(tmp_path):
    path = tmp_path / "a.pt"
    process = multiprocessing.get_context("fork").Process(target=_write_and_die, args=(path,))
    process.start()
    process.join(60)
    (left,) = tmp_path.iterdir()
    assert is_unfinished(left)
    with new_file(path, large=True) as living:
        assert not left.exists()
        living.write(b"first")
        with new_file(path, large=True) as file:
            file.write(b"second")
        assert path.read_bytes() == b"second"
    assert path.read_bytes() == b"first"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("data", "text"),
    [(b"\xef\xbb\xbfAnn\r\n", "Ann\r\n"), ("Jürgen".encode(), "Jürgen"), ("Zoë".encode("utf-16"), "Zoë")],
)
def test_a_text_is_read_in_utf_8_or_with_a_mark_in_utf_16(tmp_path, data, text):
    (tmp_path / "a").write_bytes(data)
    assert text_of(tmp_path / "a", UserError, "a list") == text


def test_a_text_that_cannot_be_read_is_an_error_of_its_reader(tmp_path):
    with pytest.raises(UserError, match=r"/a: cannot be read \(No such file or directory\)$"):
        text_of(tmp_path / "a", UserError, "a list")
    (tmp_path / "a").write_bytes(b"\xff")
    with pytest.raises(UserError, match=r"/a: is not a list$"):
        text_of(tmp_path / "a", UserError, "a list")
