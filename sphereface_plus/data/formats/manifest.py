"""The manifest: one CSV beside the crops, one row a crop, that says whose it is and where it came from.

`pandas.read_csv` reads it as well; `read_manifest` also checks it, and keeps identities such as `0000045`
as they are. This file is a format: it imports nothing of ours but files.py, which imports nothing, so that
any program can take the two along.
"""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import TYPE_CHECKING

from sphereface_plus.errors import UserError
from sphereface_plus.files import new_text

if TYPE_CHECKING:
    import pandas

MANIFEST = "manifest.csv"
"""Name of the manifest in a folder of crops."""

METHODS = ("detected", "given", "relaxed", "centre")
"""How landmarks were found: by the detector; read from a file; by the detector with a lower threshold; not at
all, so that the place where faces usually are was taken."""


class ManifestError(UserError):
    """A manifest that cannot be used; the message names the file, the row and what is wrong with it."""


@dataclass(frozen=True, slots=True)
class ManifestRow:
    """One crop. Boxes and landmarks are (x, y) in photo pixels, 0-based; left is the viewer's left."""

    path: str
    """The crop, relative to the manifest's folder, with `/`."""
    identity: str
    source: str
    """The photo, relative to the folder of photos, with `/`."""
    method: str
    """One of METHODS."""
    template: str
    """Alignment template."""
    height: int
    """Of the crop, pixels."""
    width: int
    score: float
    """The detector's confidence; nan where the landmarks were not detected."""
    box_left: float
    """The face in the photo; nan where it was not detected."""
    box_top: float
    box_right: float
    box_bottom: float
    left_eye_x: float
    left_eye_y: float
    right_eye_x: float
    right_eye_y: float
    nose_x: float
    nose_y: float
    left_mouth_x: float
    left_mouth_y: float
    right_mouth_x: float
    right_mouth_y: float
    num_faces: float = math.nan
    """Faces that were detected in the photo. This column and those below may be missing; nan: not known."""
    runner_up_side: float = math.nan
    """The largest face of the photo beside this one: the root of its box's area, photo pixels."""
    runner_up_score: float = math.nan
    """The detector's confidence in it."""
    residual: float = math.nan
    """Root mean square distance of this crop's landmarks from the alignment template's, crop pixels."""
    turned: float = math.nan
    """Degrees, counterclockwise, by which the photo was turned when the face was found: 0, 90, 180 or 270."""
    warp: str = ""
    """What computed the crop's pixels, such as `opencv 5.0.0`: versions of it differ. Empty: not known."""


_KINDS = {field.name: str(field.type) for field in fields(ManifestRow)}  # "str", "int" or "float"
OPTIONAL_COLUMNS = ("num_faces", "runner_up_side", "runner_up_score", "residual", "turned", "warp")
"""Numbers, and warp, a text, that a manifest may lack, as a whole or in a row."""
COLUMNS = tuple(name for name in _KINDS if name not in OPTIONAL_COLUMNS)
LANDMARK_COLUMNS = COLUMNS[-10:]
"""x and y of left eye, right eye, nose tip, left and right mouth corner: `.reshape(5, 2)` gives landmarks."""
_MAY_BE_EMPTY = {*COLUMNS[-15:-10], *OPTIONAL_COLUMNS}  # score and box: where nothing was detected

_LONGEST = 2**20
"""Letters of a line: a longer one would only fill the memory."""


def write_manifest(path: str | Path, rows: Iterable[ManifestRow]) -> None:
    """Writes the rows in their order; the file appears whole or not at all. nan becomes an empty field."""
    with new_text(path) as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(_KINDS)
        writer.writerows([_text(getattr(row, name)) for name in _KINDS] for row in rows)


def _text(value: str | int | float) -> str:
    return "" if isinstance(value, float) and math.isnan(value) else str(value)


def read_manifest(path: str | Path, content: bytes | None = None) -> pandas.DataFrame:
    """The manifest with COLUMNS in their order, checked. What else the file has follows in its own order:
    OPTIONAL_COLUMNS, numbers as nan where they are empty, and columns that are not ours as text.

    content: the file's, where it lies in a packed set; `path` then only names it.
    Raises ManifestError for a file that cannot be read, a missing column, a value of the wrong kind, a crop
    that is listed twice, and a path that leads out of the manifest's folder.
    """
    path = Path(path)
    table = _read_fast(path, content)
    return _read_rows(path, content) if table is None else table


def _read_fast(path: Path, content: bytes | None) -> pandas.DataFrame | None:
    """The manifest, or None where something in it is unusual or wrong: row by row, that is told apart."""
    from sphereface_plus.data.formats.manifest_blocks import read_blocks  # draws in pandas, half a second

    try:
        with path.open("rb") if content is None else io.BytesIO(content) as file:
            header = next(csv.reader([file.readline(csv.field_size_limit()).decode("utf-8-sig")]), [])
            if len(set(header)) < len(header) or not {*COLUMNS} <= {*header}:
                return None
            kinds = {name: _KINDS.get(name, "str") for name in header}
            table = read_blocks(file, kinds, _MAY_BE_EMPTY, _value)
    except (OSError, UnicodeDecodeError, csv.Error):
        return None
    return None if table is None else table.reindex(columns=_order(header))


def _order(header: list[str]) -> list[str]:
    return [*COLUMNS, *(name for name in header if name not in COLUMNS)]


def _read_rows(path: Path, content: bytes | None) -> pandas.DataFrame:
    """The manifest row by row. Raises ManifestError."""
    import pandas

    header, *rows = _read_csv(path, content)
    missing = [name for name in COLUMNS if name not in header]
    if missing:
        raise ManifestError(f"{path}: is not a manifest, it lacks the columns {', '.join(missing)}")
    twice = [name for number, name in enumerate(header) if name in header[:number]]
    if twice:
        raise ManifestError(f"{path}: has the column {twice[0][:60]!r} twice")
    order = _order(header)
    columns: dict[str, list] = {name: [] for name in order}
    seen: set[str] = set()
    for number, row in enumerate(rows, start=1):
        values = dict(zip(header, row, strict=False))
        try:
            if len(row) != len(header):
                raise ManifestError(f"expected {len(header)} fields, got {len(row)}")
            if values["path"] in seen:
                raise ManifestError("the crop is listed a second time")
            for name in order:
                columns[name].append(_value(name, values[name]))
        except ManifestError as error:
            name = (values.get("path") or "")[:200]
            raise ManifestError(f"{path}, row {number} ({name!r}): {error}") from None
        seen.add(values["path"])
    kinds = {name: {"int": "int64", "float": "float64"}.get(_KINDS.get(name, ""), "str") for name in order}
    return pandas.DataFrame(columns, columns=order).astype(kinds)


def _value(name: str, text: str) -> str | int | float:
    kind = _KINDS.get(name)
    if kind == "int":
        if not re.fullmatch(r"[1-9]\d{0,8}", text):
            raise ManifestError(f"{name} must be a positive count, got {text[:200]!r}")
        return int(text)
    if kind == "float":
        if text == "" and name in _MAY_BE_EMPTY:
            return math.nan
        try:
            number = float(text)
        except ValueError:
            number = math.nan
        if not math.isfinite(number):
            raise ManifestError(f"{name} must be a finite number, got {text[:200]!r}")
        return number
    if text == "" and kind and name not in _MAY_BE_EMPTY:
        raise ManifestError(f"{name} is empty")
    if name == "method" and text not in METHODS:
        raise ManifestError(f"method must be one of {', '.join(METHODS)}, got {text[:200]!r}")
    if name == "path" and leads_outside(text):
        raise ManifestError("the path must stay inside the manifest's folder")
    return text


def _read_csv(path: Path, content: bytes | None) -> list[list[str]]:
    try:
        # utf-8-sig: a spreadsheet that saved the manifest may have put a byte order mark in front.
        with path.open("rb") if content is None else io.BytesIO(content) as file:
            text = io.TextIOWrapper(file, encoding="utf-8-sig", newline="")
            rows = [row for row in csv.reader(_lines(text), strict=True) if row]
    except OSError as error:
        raise ManifestError(f"{path}: the manifest cannot be read ({error.strerror})") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise ManifestError(f"{path}: is not a CSV file ({error})") from None
    if not rows:
        raise ManifestError(f"{path}: the manifest is empty, not even its header is there")
    return rows


def _lines(text: io.TextIOWrapper) -> Iterator[str]:
    while line := text.readline(_LONGEST):
        if len(line) == _LONGEST:
            raise csv.Error(f"a line of more than {_LONGEST:,} letters")
        yield line


def mixed_warps(counts: Mapping[str, int]) -> list[str]:
    """A sentence where crops of a set were computed in different ways; else none.

    counts: values of the column warp -> crops.
    """
    if len(counts) < 2:
        return []
    ways = ", ".join(
        f"{count:,} by {warp or 'what is not known'}"
        for warp, count in sorted(counts.items(), key=lambda item: -item[1])
    )
    return [
        f"the crops come from different warps ({ways}), whose pixels differ a little; align all photos again "
        "with one version of OpenCV, or with --warp exact, which is the same everywhere"
    ]


def leads_outside(path: str) -> bool:
    """Whether a relative path, on any system, is none: absolute, on a drive, climbing by `..`, or with a NUL,
    which no system takes."""
    windows = PureWindowsPath(path)  # takes both / and \ as separators
    return PurePosixPath(path).is_absolute() or bool(windows.anchor) or ".." in windows.parts or "\0" in path
