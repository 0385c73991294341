"""Where results go. The one rule: a place holds one result, and only what made it writes there again.

A place is a folder, or a file. A command claims it before its work; until it ends, no other process may write
there. A hidden note stays, which says what the result was made by, and of what:

    OUT/.lock   OUT/.made_by.json             of a folder
    .OUT.lock   .OUT.made_by.json             beside a file

A place that is not there yet, or an empty folder, is free. The same command with the same inputs writes its
result again, or goes on with it. All else is refused: results of another command or of other inputs, files
without a note, and files that were edited since. The files of a folder count, and those of the subfolders
that the command names as its own (`within`); of a file those that the command writes beside it, too
(`beside`). Other subfolders are left alone, but a folder that holds nothing else is taken only where they are
results: a folder of reports, not one of photos. The note holds last parts of paths and hashes, nothing of the
machine.
"""

from __future__ import annotations

import hashlib
import inspect
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import wraps
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import filelock

from sphereface_plus.files import write_text
from sphereface_plus.path_checks import BusyError, PlaceError, check_file, check_folder

P = ParamSpec("P")
R = TypeVar("R")
LOCK, NOTE = "lock", "made_by.json"
UNFINISHED = "progress.jsonl"
"""In a folder of crops from the first photo on; while no manifest lies beside it, the folder is not whole."""
HASHED_BYTES = 8 << 20
"""Files up to this size, and texts of any, are looked at for changes: those that a person edits."""
_TEXTS = (".csv", ".html", ".json", ".jsonl", ".md", ".svg", ".txt", ".yaml", ".yml")
_OF_A_RESULT = (
    f".{NOTE}",
    "report.json",
    "config.yaml",
    "checkpoints",
    "embeddings.json",
    "packed.json",
    UNFINISHED,
)
"""One of these lies in each folder that a command has made: a report, a run, embeddings, crops, tars."""
_DEEPEST = 4


@contextmanager
def locked(place: str | Path, *, file: bool = False) -> Iterator[None]:
    """While this lasts, no other process gets the place. A folder is made, and removed if it stayed empty.

    file: the place is a file. Raises PlaceError where another process has it, or nothing can be written.
    """
    place = Path(place)
    folder = place.parent if file else place
    if file:
        check_file(place, place.suffix)
    else:
        check_folder(place)
    made = [above for above in (folder, *folder.parents) if not above.exists()]
    lock = filelock.FileLock(_hidden(place, LOCK, file), blocking=False)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except filelock.Timeout:
        raise BusyError(f"{place}: another process is writing there; wait for it, or name another") from None
    except OSError as error:
        raise PlaceError(f"{place}: cannot be written to ({error.strerror}); name another") from None
    try:
        yield
    finally:
        with suppress(OSError):  # while it is held: nobody else's is removed
            Path(lock.lock_file).unlink()
        lock.release()
        with suppress(OSError):  # of one that is not empty
            for empty in made:
                empty.rmdir()


def locks(argument: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Decorates a function: the folder that it gets as `argument` is locked while it runs."""

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        signature = inspect.signature(function)

        @wraps(function)
        def wrapped(*args: P.args, **options: P.kwargs) -> R:
            with locked(signature.bind(*args, **options).arguments[argument]):
                return function(*args, **options)

        return wrapped

    return decorate


@contextmanager
def claimed(
    place: str | Path,
    command: str,
    *,
    file: bool = False,
    within: Sequence[str] = (),
    beside: Sequence[str] = (),
    contents: Mapping[str, str] | None = None,
    **of: object,
) -> Iterator[None]:
    """`locked`, for the result that `command` makes of the inputs `of`, which may be paths.

    within: subfolders that the command writes into, too.
    beside: names of files that it writes beside the file `place`.
    contents: what may change behind its path -> its hash, such as {"model": sha256}.
    Raises PlaceError where the place holds anything else.
    """
    place = Path(place)
    note = _hidden(place, NOTE, file)
    mine = _note(command, of) | {"contents": dict(contents or {})}
    with locked(place, file=file):
        before = _read(note)
        _check(place, _files(place, file, within, beside), before, mine, file)
        _write(note, mine)  # no file is known yet: one that is killed may leave any
        try:
            yield
        finally:
            files = _files(place, file, within, beside)
            if files:
                _write(note, mine | {"files": {_name(path, place): _hash(path) for path in files}})
            else:
                note.unlink(missing_ok=True)


def _check(
    place: Path, files: Sequence[Path], before: dict[str, Any], mine: dict[str, Any], file: bool
) -> None:
    elsewhere = f"name another {'file' if file else 'folder'}, or move this one away"
    if not files:  # what the note was about is gone
        others = [] if file else [path for path in _folders(place) if not _is_result(path)]
        if others:
            names = ", ".join(path.name for path in others[:3]) + (", ..." if len(others) > 3 else "")
            raise PlaceError(f"{place}: holds folders that are not results, {names}; {elsewhere}")
        return
    known = before.get("files")
    known = known if isinstance(known, dict) else None
    unchanged = known is not None and all(known.get(_name(path, place)) == _hash(path) for path in files)
    if file and place not in files and unchanged:  # what was beside a file that is gone
        return
    names = ", ".join(_name(path, place) for path in files[:3]) + (", ..." if len(files) > 3 else "")
    if not before:
        what = f"{files[0]}: is there already" if file else f"{place}: holds {names}"
        raise PlaceError(f"{what}, and nothing says that this command made it; {elsewhere}")
    if before.get("key") != mine["key"]:
        raise PlaceError(f"{place}: holds the result of {_other(before, mine)}; {elsewhere}")
    there = before.get("contents")
    there, here = there if isinstance(there, dict) else {}, mine["contents"]
    if changed := [what for what in sorted({*there, *here}) if there.get(what) != here.get(what)]:
        gone, new = sorted(there.keys() - here.keys()), sorted(here.keys() - there.keys())
        other = [what for what in changed if what in there and what in here]
        said = [f"the content of {_and(other)} is another now"] if other else []
        said += [f"{_and(gone)} is not given"] if gone else []
        said += [f"{_and(new)} is new"] if new else []
        raise PlaceError(
            f"{place}: holds the result of {mine['command']} ({mine['of']}), but under the same names: "
            f"{', and '.join(said)}; {elsewhere}"
        )
    if known is None:  # what made it was killed: it may have left any file
        return
    for path in files:
        name = _name(path, place)
        if name in known and known[name] != _hash(path):
            raise PlaceError(f"{path}: was changed since it was made, and would be lost; {elsewhere}")
        if name not in known and (path != place if file else path.parent != place):
            raise PlaceError(f"{path}: nothing says that this command made it; {elsewhere}")


def _and(names: list[str]) -> str:
    return " and ".join(map(_plain, names))


def _note(command: str, of: dict[str, object]) -> dict[str, Any]:
    exact = [[name, _exact(value)] for name, value in sorted(of.items())]
    key = hashlib.sha256(json.dumps([command, exact]).encode()).hexdigest()
    shown = [f"{name} {_shown(value)}" for name, value in of.items() if value is not None]
    inputs = {name: _shown(value) for name, value in of.items() if value is not None}
    return {"command": command, "of": ", ".join(shown), "inputs": inputs, "key": key}


def _other(before: dict[str, Any], mine: dict[str, Any]) -> str:
    """What a note of another key is of, and what is another in the command at hand."""
    command, was, now = _plain(before.get("command")), before.get("inputs"), mine["inputs"]
    if before.get("command") != mine["command"] or not isinstance(was, dict):
        return f"{command} ({_plain(before.get('of'))}), and this would be {mine['command']} ({mine['of']})"
    differs = [
        f"{name} {value} is new" if name not in was else f"{name} {_plain(was[name])} -> {value or 'none'}"
        for name, value in now.items()
        if was.get(name) != value
    ]
    differs += [f"{_plain(name)} {_plain(was[name])} is not given" for name in was if name not in now]
    if not differs:  # paths that end alike
        return f"{command} ({mine['of']}), but some of these lie elsewhere now, under the same names"
    return f"{command}, and this would be another: {', '.join(differs)}"


def _exact(value: object) -> object:
    if isinstance(value, list | tuple):
        return [_exact(one) for one in value]
    return str(value.resolve() if isinstance(value, Path) else value)


def _shown(value: object) -> str:
    if isinstance(value, list | tuple):
        return " and ".join(map(_shown, value))
    return value.resolve().name if isinstance(value, Path) else str(value)


def _hidden(place: Path, name: str, file: bool) -> Path:
    return place.with_name(f".{place.name}.{name}") if file else place / f".{name}"


def _files(place: Path, file: bool, within: Sequence[str] = (), beside: Sequence[str] = ()) -> list[Path]:
    if file:
        return [path for path in (place, *map(place.with_name, beside)) if os.path.lexists(path)]
    folders = [place, *(place / name for name in within if (place / name).is_dir())]
    return [
        path
        for folder in folders
        for path in sorted(folder.iterdir())
        if not path.name.startswith(".") and not path.is_dir()
    ]


def _name(path: Path, place: Path) -> str:
    return path.relative_to(place).as_posix() if place in path.parents else path.name


def _folders(place: Path) -> list[Path]:
    return sorted(path for path in place.iterdir() if path.is_dir() and not path.name.startswith("."))


def _is_result(folder: Path, depth: int = 1) -> bool:
    """Whether a command has made it, or it holds nothing but such folders, or nothing."""
    if any((folder / name).exists() for name in _OF_A_RESULT):
        return True
    if depth > _DEEPEST or _files(folder, file=False):
        return False
    return all(_is_result(path, depth + 1) for path in _folders(folder))


def _read(note: Path) -> dict[str, Any]:
    try:
        content = json.loads(note.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def _write(note: Path, content: dict[str, Any]) -> None:
    write_text(note, json.dumps(content, indent=1) + "\n")


def _hash(path: Path) -> str:
    """Empty for a large file that is not text."""
    if not path.is_file() or (path.stat().st_size > HASHED_BYTES and path.suffix.lower() not in _TEXTS):
        return ""
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def _plain(value: object) -> str:
    """Anybody may have written a note."""
    return repr(str(value))[1:-1][:200]
