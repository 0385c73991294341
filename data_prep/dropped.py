"""Crops that a person took out of a set: their rows lie beside its manifest, and `align` leaves them out.

    manifest.csv            the crops of the set
    manifest.csv.dropped    the rows that left it, under the columns of both

While there is a manifest, it says what is left. The other file says it where an alignment that was stopped
has no manifest yet.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping
from dataclasses import asdict, replace
from pathlib import Path

from sphereface_plus.data.formats.manifest import ManifestError, ManifestRow, read_manifest
from sphereface_plus.files import NewFiles, read_text, write_bytes
from sphereface_plus.words import counted

from .errors import PrepError
from .journal import Done

DROPPED = "dropped"
"""Problem of a photo whose crops were all taken out."""


def record_of(manifest: Path) -> Path:
    """Where the rows lie that have left a manifest."""
    return manifest.with_name(f"{manifest.name}.{DROPPED}")


def move_rows(manifest: Path, content: bytes, paths: set[str]) -> Path:
    """Rows leave the manifest, of this content, for the file beside it, which is returned.

    Both files are whole or as they were; rows of earlier calls stay. Raises PrepError where they cannot be
    read.
    """
    record = record_of(manifest)
    header, *rows = csv.reader(io.StringIO(content.decode("utf-8-sig"), newline=""))
    column = header.index("path")
    going = {
        row[column]: dict(zip(header, row, strict=False)) for row in rows if row and row[column] in paths
    }
    with NewFiles() as new:
        # This one first: a kill between the two leaves rows in both files, and none in neither.
        new.open(record).write(_table({**_read(record), **going}))
        new.open(manifest).write(_csv([header, *(row for row in rows if row and row[column] not in paths)]))
    return record


def dropped_before(manifest: Path) -> set[str]:
    """The paths of the rows that have left a manifest. Raises PrepError where they cannot be read."""
    return set(_read(record_of(manifest)))


def taken_out(manifest: Path, rows: Iterable[ManifestRow]) -> set[str]:
    """The paths of the crops that a person took out of the manifest of an alignment with these rows.

    They are written down beside it, so that it may be written again. Raises PrepError where the manifest was
    changed otherwise, which would be lost, or what is beside it cannot be read.
    """
    made = {row.path: row for row in rows}
    before = _read(record_of(manifest))
    left = _identities(manifest)
    if left is None:
        return set(before)
    for path, identity in left.items():
        if path in made and made[path].identity != identity:
            raise PrepError(
                f"{manifest}: says {identity} of {path}, and the photos say {made[path].identity}; align "
                "would undo that: give the changed manifest another name, under which training takes it, too"
            )
    out = {path: before.get(path) or _texts(row) for path, row in made.items() if path not in left}
    out |= {path: row for path, row in before.items() if path not in made and path not in left}
    if out.keys() != before.keys():
        if out:
            write_bytes(record_of(manifest), _table(out))
        else:
            record_of(manifest).unlink()
    return set(out)


def without(done: Iterable[Done], paths: set[str]) -> list[Done]:
    """What became of the photos, without these crops. A photo that had no others says that it was dropped."""
    left = []
    for photo in done:
        crops = tuple(crop for crop in photo.crops if crop.row.path not in paths)
        problem = DROPPED if photo.crops and not crops else photo.problem
        left.append(replace(photo, crops=crops, problem=problem))
    return left


def sentences(manifest: Path, number: int) -> list[str]:
    """What a person should know of so many crops that stay out."""
    if not number:
        return []
    record = record_of(manifest).name
    crops = f"{counted(number, 'crop')} {'stays' if number == 1 else 'stay'}"
    return [
        f"{crops} dropped, as {record} says; to have all of them back, delete {record} and {manifest.name}, "
        "and align again"
    ]


def _identities(manifest: Path) -> dict[str, str] | None:
    """Path -> identity; None where there is no manifest, or a damaged one, which is written again."""
    if not manifest.is_file():
        return None
    try:
        table = read_manifest(manifest)
    except ManifestError:
        return None
    return dict(zip(table["path"].tolist(), table["identity"].tolist(), strict=True))


def _read(record: Path) -> dict[str, dict[str, str]]:
    """The rows by path."""
    if not record.exists():
        return {}
    try:
        rows = list(csv.DictReader(io.StringIO(read_text(record), newline=""), restval="", strict=True))
        return {row["path"]: {name: row[name] for name in row if name} for row in rows}
    except (OSError, UnicodeDecodeError, csv.Error, KeyError) as error:
        raise PrepError(
            f"{record}: cannot be read as the rows that were dropped ({error}); put it right, or move it away"
        ) from None


def _texts(row: ManifestRow) -> dict[str, str]:
    return {name: "" if value != value else str(value) for name, value in asdict(row).items()}  # nan: empty


def _table(rows: Mapping[str, Mapping[str, str]]) -> bytes:
    columns = list(dict.fromkeys(name for row in rows.values() for name in row))
    return _csv([columns, *([row.get(name, "") for name in columns] for row in rows.values())])


def _csv(rows: Iterable[Iterable[str]]) -> bytes:
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerows(rows)
    return buffer.getvalue().encode()
