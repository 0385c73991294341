"""What is done already: one JSON line a photo, so that an interrupted run continues where it stopped.

The first line holds the settings. A run with others is refused: half of the crops would be of one kind, half
of another. A photo's line is written after its crops, so that what the journal names is on the disk.
"""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, TextIO

from sphereface_plus.data.formats.manifest import ManifestRow, leads_outside
from sphereface_plus.files import naming, new_text
from sphereface_plus.outputs import LOCK, UNFINISHED

from .errors import PrepError

JOURNAL = UNFINISHED
_BEFORE_IT_WAS_A_SETTING = {"warp": "opencv"}
_TYPES: dict[str, tuple[type, ...]] = {"str": (str,), "int": (int,), "float": (float, int)}


@dataclass(frozen=True, slots=True)
class Crop:
    """A written crop."""

    row: ManifestRow
    num_bytes: int
    crc32: int = -1
    """Of the file, to see that it is still the one; -1 where an older version wrote the journal."""


@dataclass(frozen=True, slots=True)
class Done:
    """What became of a photo."""

    source: str
    identity: str
    num_bytes: int
    """Size of the photo's file; -1 where there is none."""
    modified_ns: int
    problem: str
    """Why there is no crop, in a word or two for counting; empty if there is one."""
    detail: str
    """The same in a sentence, where there is more to say."""
    crops: tuple[Crop, ...]


class Journal:
    """The journal of a folder of crops. Reads on construction, writes inside its `with` block."""

    def __init__(self, folder: Path, settings: dict[str, Any], name: str = JOURNAL) -> None:
        """name: of the file, another for each share (shares.py).

        Raises PrepError where other settings were used, or the folder holds something that is not ours.
        """
        self._path, self._settings = folder / name, settings
        self._file: TextIO | None = None
        self.done: dict[str, Done] = {}
        """By source."""
        if self._path.exists():
            self._read()
        elif folder.exists() and not (folder / JOURNAL).exists() and not _is_empty(folder):
            raise PrepError(f"{folder}: is not empty and holds no crops of this program; give a new folder")

    def __enter__(self) -> Journal:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._rewrite()  # without what was dropped, and without a half-written line
        self._file = self._path.open("a", encoding="utf-8")
        return self

    def add(self, done: Done) -> None:
        """Appends a line; after that the photo counts as done, even if this process is killed."""
        assert self._file is not None, "add() belongs into the with block"
        self.done[done.source] = done
        with naming(self._path):
            self._file.write(_line(asdict(done)))
            self._file.flush()

    def __exit__(self, kind: object, *_: object) -> None:
        assert self._file is not None
        with suppress(OSError):  # a full disk is known by now
            self._file.close()
        if kind is None:
            self._rewrite()

    def _rewrite(self) -> None:
        """Writes all lines in the photos' order: a finished journal does not tell which worker was first."""
        self.done = dict(sorted(self.done.items()))
        with new_text(self._path) as file:
            file.write(_line({"settings": self._settings}))
            file.writelines(_line(asdict(photo)) for photo in self.done.values())

    def _read(self) -> None:
        try:
            first, *lines = self._path.read_bytes().splitlines() or [b""]
            before = json.loads(first)["settings"]
            if not isinstance(before, dict):
                raise TypeError
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            raise PrepError(f"{self._path}: is not a journal of this program; give a new folder") from None
        older = {n: value for n, value in _BEFORE_IT_WAS_A_SETTING.items() if n in self._settings}
        before = {**older, **before}
        if changes := "; ".join(_changes(before, self._settings)):
            raise PrepError(
                f"{self._path.parent}: was begun with other settings ({changes}); "
                "give the same ones, or a new folder"
            )
        for line in lines:
            try:
                photo = _done(json.loads(line))
            except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
                continue  # damaged, such as the last line of a run that was killed while it wrote
            self.done[photo.source] = photo


def _is_empty(folder: Path) -> bool:
    if not folder.is_dir():
        return False
    return all(path.name.endswith(LOCK) for path in folder.iterdir())  # ours, or a killed run's


def _changes(before: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """`min_face 20 there, 30 here` for each setting that differs; once, though the detector's repeat some."""
    changes = []
    for name in sorted({*before, *now}):
        there, here = before.get(name), now.get(name)
        if isinstance(there, dict) and isinstance(here, dict):
            changes += _changes(there, here)
        elif there != here:
            changes.append(f"{_shown(name)} {_shown(there)} there, {_shown(here)} here")
    return list(dict.fromkeys(changes))


def _shown(value: object) -> str:
    if value is None:
        return "none"
    return (
        f"{value:g}" if isinstance(value, float) else "in use" if isinstance(value, dict) else _plain(value)
    )


def _plain(value: object) -> str:
    """Without line ends, which a journal of somebody else's may hold, and not without end."""
    return repr(str(value))[1:-1][:200]


def _line(value: dict[str, Any]) -> str:
    return json.dumps(value, ensure_ascii=True) + "\n"


def _done(value: dict[str, Any]) -> Done:
    crops = tuple(Crop(**{**crop, "row": ManifestRow(**crop["row"])}) for crop in value.pop("crops"))
    if any(leads_outside(crop.row.path) for crop in crops):
        raise ValueError("a crop outside its folder")  # nothing outside is ever removed or read
    done = Done(crops=crops, **value)
    for thing in (done, *crops, *(crop.row for crop in crops)):
        for field in fields(thing):
            if type(getattr(thing, field.name)) not in _TYPES.get(str(field.type), (tuple, ManifestRow)):
                raise TypeError(f"{field.name} is no {field.type}")
    for crop in crops:
        "".join(str(part) for part in asdict(crop.row).values()).encode()  # as the manifest will be written
    return done
