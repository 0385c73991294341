"""Whether the given files are there, and results can be written to their place: asked before the long
work, not found out after it."""

from __future__ import annotations

import tempfile
from contextlib import suppress
from difflib import get_close_matches
from pathlib import Path

from sphereface_plus.errors import UserError

NAMED = 3
"""Of what a folder holds, in a message."""


class PlaceError(UserError):
    """A place that cannot be read or written; the message names it and says what to do."""


class BusyError(PlaceError):
    """A place that another process is writing to."""


def check_source(path: str | Path, needed: str) -> None:
    """Raises PlaceError, saying what is needed and what lies nearby, where the file or folder `path` to be
    read is not there."""
    if not Path(path).exists():
        raise PlaceError(f"{path}: there is no such {needed}; {nearby(path)}")


def nearby(path: str | Path) -> str:
    """What a path that is not there may have meant, as the end of a sentence: a name like it in the nearest
    folder that is there, or what that holds."""
    path = Path(path)
    missing, folder = next(
        (place, place.parent) for place in (path, *path.parents) if place.parent.exists() or place == Path()
    )
    names = []
    with suppress(OSError):  # of a file, or of a folder that may not be looked into
        names = sorted(place.name for place in folder.iterdir() if not place.name.startswith("."))
    if like := get_close_matches(missing.name, names, 1, 0.75):
        meant = folder / like[0] / path.relative_to(missing)
        return f"did you mean {meant if meant.exists() else folder / like[0]}?"
    held = ", ".join([*names[:NAMED], *(["..."] if len(names) > NAMED else [])]) or "nothing to read"
    return f"looked for {missing.name} in {folder.resolve()}, which holds {held}"


def check_one(path: str | Path, needed: str) -> None:
    """Raises PlaceError, saying what is needed, where `path` is not there or is a folder."""
    check_source(path, needed)
    if Path(path).is_dir():
        raise PlaceError(f"{path}: is a folder; give one {needed}")


def check_folder(path: str | Path) -> None:
    """Raises PlaceError where nothing can be written into the folder `path`, or it cannot be made.

    A trial file in it, or in the nearest folder above that exists, tells; it is gone at once.
    """
    path = Path(path)
    try:
        there = next(place for place in (path, *path.parents) if place.exists())
        if not there.is_dir():
            what = "is a file" if there == path else f"cannot be a folder, as {there} is a file"
            raise PlaceError(f"{path}: {what}; name another folder")
        with tempfile.TemporaryFile(dir=there):
            pass
    except OSError as error:
        raise PlaceError(f"{path}: cannot be written to ({error.strerror}); name another folder") from None


def check_file(path: str | Path, suffix: str) -> None:
    """Raises PlaceError where no file can be written at `path`, or its name does not end in the suffix."""
    path = Path(path)
    check_folder(path.parent)
    if path.is_dir():
        raise PlaceError(f"{path}: is a folder; name a file, such as {path / f'model{suffix}'}")
    if path.suffix != suffix:
        raise PlaceError(
            f"{path}: must end in {suffix}, by which other commands know it; "
            f"name it {path.with_suffix(suffix)}"
        )


def check_file_or_folder(path: str | Path, suffix: str) -> None:
    """As check_file for a name with a suffix, where no folder lies, else as check_folder."""
    if is_file_name(path):
        check_file(path, suffix)
    else:
        check_folder(path)


def is_file_name(path: str | Path) -> bool:
    """Whether a result's name is a file's: it has a suffix, and is not a folder's."""
    return bool(Path(path).suffix) and not Path(path).is_dir()
