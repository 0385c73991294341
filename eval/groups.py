"""Which group a person is in: a CSV of names and groups, for tables of error rates by group."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

from sphereface_plus.files import text_of
from sphereface_plus.words import counted

from .errors import PhotosError


@dataclass(frozen=True)
class Groups:
    file: Path
    columns: list[str]
    """What people are grouped by."""
    of: Mapping[str, list[str]]
    """Name of a person -> the group in each column, empty where it is not stated."""


def read_groups(path: Path) -> Groups:
    """A CSV with a header, whose first column is `identity`. Raises PhotosError."""
    text = text_of(path, PhotosError, "a CSV file")
    try:
        rows = list(csv.reader(StringIO(text)))
    except csv.Error as error:
        raise PhotosError(f"{path}: is not a CSV file ({error})") from None
    header = [cell.strip() for cell in rows[0]] if rows else []
    if len(header) < 2 or header[0] != "identity" or len(set(header)) < len(header):
        raise PhotosError(
            f"{path}: expected a header `identity,group`, divided by commas, with one name or more after "
            "identity, no two alike, "
            f"got {','.join(header)[:100]!r}"
        )
    of: dict[str, list[str]] = {}
    for number, row in enumerate(rows[1:], start=2):
        if not any(cell.strip() for cell in row):
            continue
        cells = [cell.strip() for cell in row]
        if len(cells) != len(header) or not cells[0]:
            raise PhotosError(
                f"{path}: line {number} has {len(cells)} of {len(header)} columns, or names nobody"
            )
        if of.get(cells[0], cells[1:]) != cells[1:]:
            raise PhotosError(f"{path}: line {number} puts {cells[0]} in another group than a line before")
        of[cells[0]] = cells[1:]
    if not of:
        raise PhotosError(f"{path}: has a header and names nobody; give it a line for each person")
    return Groups(path, header[1:], of)


def check_some(groups: Groups, people: Iterable[str | None]) -> None:
    """Raises PhotosError where none of these people is in the CSV. None: somebody without a name."""
    there = sorted({name for name in people if name is not None})
    if not there:
        raise PhotosError(
            f"{groups.file}: the photos do not say who is on them, so that nobody can be put in a group; "
            "leave out --groups"
        )
    if groups.of.keys().isdisjoint(there):
        raise PhotosError(
            f"{groups.file}: has groups of {counted(len(groups.of), 'person')}, such as "
            f"{next(iter(groups.of))}, and of nobody who is measured, such as {there[0]}; names must be "
            "written as those of the photos"
        )
