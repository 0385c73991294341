"""A lock's file is removed by its holder: what filelock must do for that. pyproject.toml has its bound."""

from __future__ import annotations

from contextlib import suppress

import filelock
import pytest

from sphereface_plus.outputs import locked
from sphereface_plus.path_checks import PlaceError

fcntl = pytest.importorskip("fcntl")


def test_a_lock_of_a_file_that_its_last_holder_has_removed_is_none(tmp_path, monkeypatch):
    """A third process may hold one of the new file of that name."""
    file, flock, removed = tmp_path / ".lock", fcntl.flock, []

    def late(descriptor: int, how: int) -> None:
        if file.exists():  # else it is another file that is tried
            monkeypatch.undo()
            file.unlink()
            removed.append(file)
        flock(descriptor, how)

    monkeypatch.setattr(fcntl, "flock", late)
    with suppress(PlaceError), locked(tmp_path):
        assert file.exists()
    assert removed


def test_giving_a_lock_back_does_not_remove_the_file_of_the_next_holder(tmp_path, monkeypatch):
    file = tmp_path / ".lock"
    release, following = filelock.FileLock.release, filelock.FileLock(file, blocking=False)

    def late(lock: filelock.FileLock, *how: bool) -> None:
        monkeypatch.undo()
        following.acquire()
        release(lock, *how)

    monkeypatch.setattr(filelock.FileLock, "release", late)
    with locked(tmp_path):
        pass
    assert following.is_locked
    assert file.exists()
    following.release()
