"""Files written whole or not at all: under another name first, which becomes their own when all is written.
And texts read as people have them.

Whatever ends the writing (an error, a full disk, a kill), what was there before is there still; what several
files hold together (NewFiles) appears when all of them are whole. The other name, `.<name>.<8 digits>.tmp`,
is nobody else's, so that two programs that write one file do not mix. Only a kill leaves it behind, and the
next writer of a large file of that name removes it.
"""

from __future__ import annotations

import codecs
import csv
import errno
import io
import os
import re
import secrets
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT)
_NAME_LENGTH = 60  # of a name, in letters: with up to four bytes for each, the other name has at most 255


class WriteError(OSError):
    """A file that cannot be written; the message names it and says why. Nothing of it is left."""


class NewFiles:
    """Files that appear together at the end of the `with` block, or not at all where it raises.

    large: what killed writers of the same files have left goes first, and the disk has all bytes before the
    names change, so that a power cut cannot leave a name on missing ones.
    The block raises WriteError where a file cannot be written, however its writer passed that on.
    """

    def __init__(self, *, large: bool = False) -> None:
        self._large = large
        self._files: list[tuple[Path, Path, _Raw, IO[bytes]]] = []
        self._old: list[Path] = []
        self._locks: list[int] = []

    def open(self, path: str | Path, *, remove_first: bool = False) -> IO[bytes]:
        """A new, empty file that will lie at `path`, in a folder that is made if it is not there.

        remove_first: what lies at `path` goes before any of the new files appears, so that a kill in
        between cannot leave it beside files of another result.
        """
        path = Path(path)
        with naming(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            if self._large:
                _remove_left(path)
            unfinished, raw = _created(path)
            # Closing the file would give up its lock, and another writer would remove what has no name yet.
            self._locks.append(os.dup(raw.fileno()))
        self._files.append((path, unfinished, raw, io.BufferedWriter(raw, 2**17)))
        if remove_first:
            self._old.append(path)
        return self._files[-1][3]

    def finish(self) -> None:
        """Closes all files; from here on, each is whole. Raises WriteError."""
        for path, _, _, file in self._files:
            with naming(path):
                if not file.closed:
                    file.flush()
                    if self._large:
                        os.fsync(file.fileno())
                    file.close()

    def __enter__(self) -> NewFiles:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if error is not None:
                # The exception of a writer such as torch.save does not always say that the disk is full.
                for path, _, raw, _ in self._files:
                    if raw.problem is not None and isinstance(error, Exception):
                        raise _sentence(path, raw.problem) from error
                return
            self.finish()
            for path in self._old:
                with naming(path):
                    path.unlink(missing_ok=True)
            for path, unfinished, _, _ in self._files:
                with naming(path):
                    unfinished.replace(path)
        finally:
            for _, unfinished, _, file in self._files:
                with suppress(OSError):
                    file.close()
                unfinished.unlink(missing_ok=True)
            for lock in self._locks:
                os.close(lock)


@contextmanager
def new_file(path: str | Path, *, large: bool = False) -> Iterator[IO[bytes]]:
    """One file, as of NewFiles."""
    with NewFiles(large=large) as new:
        yield new.open(path)


@contextmanager
def new_text(path: str | Path) -> Iterator[io.TextIOWrapper]:
    """One file of text in UTF-8 whose line ends stay as they are written, as of NewFiles."""
    with new_file(path) as file:
        text = io.TextIOWrapper(file, encoding="utf-8", newline="")
        yield text
        text.detach()  # flushes


def write_bytes(path: str | Path, data: bytes) -> None:
    """Raises WriteError."""
    with new_file(path) as file:
        file.write(data)


def write_text(path: str | Path, text: str) -> None:
    """Raises WriteError."""
    write_bytes(path, text.encode())


def write_page(path: str | Path, text: str) -> None:
    """A text for eyes: names of files that are not UTF-8 stand in it escaped. Raises WriteError."""
    write_bytes(path, text.encode(errors="backslashreplace"))


def write_csv(path: str | Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Numbers are written with as many digits as they need to be read back the same. Raises WriteError."""
    with new_text(path) as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)


def write_figure(path: str | Path, figure: Figure) -> None:
    """Raises WriteError."""
    # Without the version of matplotlib in it, the same plot is the same file.
    with new_file(path) as file:
        figure.savefig(file, format="png", dpi=160, metadata={"Software": None})


def read_text(path: str | Path) -> str:
    """The text of a file in UTF-8, with or without a byte order mark, or in UTF-16 with one.

    The mark, which spreadsheets and Windows write, is not content. Raises OSError and UnicodeDecodeError.
    """
    data = Path(path).read_bytes()
    utf_16 = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    return data.decode("utf-16" if utf_16 else "utf-8-sig")


def text_of(path: str | Path, error: type[Exception], what: str) -> str:
    """The text of a file, as of read_text. Raises `error` where it cannot be read, or is not `what`."""
    try:
        return read_text(path)
    except OSError as problem:
        raise error(f"{path}: cannot be read ({problem.strerror})") from None
    except UnicodeDecodeError:
        raise error(f"{path}: is not {what}") from None


@contextmanager
def naming(path: str | Path) -> Iterator[None]:
    """An OSError of this block becomes a WriteError that names `path`."""
    try:
        yield
    except WriteError:
        raise
    except OSError as error:
        raise _sentence(path, error) from None


def unfinished_name(path: Path) -> Path:
    """A name beside `path` that nobody else takes."""
    return path.with_name(f".{path.name[:_NAME_LENGTH]}.{secrets.token_hex(4)}.tmp")


def is_unfinished(path: Path) -> bool:
    """Whether it is such a name: of a file that is being written, or whose writer was killed."""
    return re.fullmatch(r"\..+\.[0-9a-f]{8}\.tmp", path.name, re.DOTALL) is not None


def _created(path: Path) -> tuple[Path, _Raw]:
    """A new file for what will lie at `path`; locked, which tells that its writer lives."""
    while True:
        unfinished = unfinished_name(path)
        raw = _Raw(unfinished, "xb")
        if _locks(raw.fileno(), wait=True) and not unfinished.exists():  # removed before it was locked
            raw.close()
            continue
        return unfinished, raw


def _remove_left(path: Path) -> None:
    begin = f".{path.name[:_NAME_LENGTH]}."
    for file in path.parent.glob(".*.tmp"):
        if file.name.startswith(begin) and is_unfinished(file):
            with suppress(OSError), file.open("rb") as left:
                if _locks(left.fileno()):
                    file.unlink()


def _locks(descriptor: int, *, wait: bool = False) -> bool:
    """Whether we have the lock on a file now, and nobody else has. wait: until others have given it up."""
    try:
        import fcntl

        fcntl.flock(descriptor, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (ImportError, OSError):  # not on every system, nor on every disk
        return False
    return True


def _sentence(path: str | Path, error: OSError) -> WriteError:
    again = "; make room there, and give the same command again (a training: with --resume)"
    advice = again if error.errno in _NO_ROOM else ""
    return WriteError(f"{path}: cannot be written ({error.strerror or error}){advice}")


_write = io.FileIO.write


class _Raw(io.FileIO):
    """A file that remembers why it could not be written, whatever its writer makes of that."""

    problem: OSError | None = None

    def write(self, data: Any, /) -> int | None:
        try:
            return _write(self, data)
        except OSError as error:
            self.problem = error
            raise
