"""Error rates per group of people: a CSV says who is in which."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np

from sphereface_plus.files import read_text

from ..errors import PhotosError
from ..intervals import subject_interval
from ..photos import first_three
from .numbers import RANK, Searches


@dataclass(frozen=True)
class Groups:
    file: Path
    columns: list[str]
    """What people are grouped by."""
    of: Mapping[str, list[str]]
    """Name of a person -> the group in each column, empty where it is not stated."""


def read_groups(path: Path) -> Groups:
    """A CSV with a header, whose first column is `identity`. Raises PhotosError."""
    try:
        rows = list(csv.reader(StringIO(read_text(path))))
    except OSError as error:
        raise PhotosError(f"{path}: cannot be read ({error.strerror})") from None
    except (csv.Error, UnicodeDecodeError) as error:
        raise PhotosError(f"{path}: is not a CSV file ({error})") from None
    header = [cell.strip() for cell in rows[0]] if rows else []
    if len(header) < 2 or header[0] != "identity" or len(set(header)) < len(header):
        raise PhotosError(
            f"{path}: expected a header `identity,group` with one name or more after identity, no two alike, "
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
    return Groups(path, header[1:], of)


def per_group(
    searches: Searches, names: list[str], groups: Groups, point: Mapping[str, Any]
) -> dict[str, Any]:
    """Rank-1, FNIR and FPIR of each group at the threshold of one operating point of all.

    names: of people, by their numbers.
    """
    present = {names[person] for person in np.unique(searches.people).tolist()}
    unknown, without = sorted(set(groups.of) - present), sorted(present - set(groups.of))
    nothing = [""] * len(groups.columns)
    of = [groups.of.get(names[person], nothing) for person in searches.people.tolist()]
    columns = []
    for column, name in enumerate(groups.columns):
        values = np.array([groups_of[column] for groups_of in of])
        columns.append(
            {
                "name": name,
                "groups": [
                    {"group": value or None} | _rates(searches.only(values == value), point)
                    for value in sorted(set(values.tolist()), key=lambda value: (not value, value))
                ],
            }
        )
    return {
        "file": str(groups.file),
        "people_elsewhere": len(unknown),
        "people_elsewhere_are": first_three(unknown),
        "people_without": len(without),
        "fpir": point["fpir"],
        "threshold_cosine": point["threshold_cosine"],
        "columns": columns,
    }


def _rates(searches: Searches, point: Mapping[str, Any]) -> dict[str, Any]:
    mated, rest = searches.only(searches.mated), searches.only(~searches.mated)
    threshold = point["threshold_cosine"]
    missed = (mated.mate_score < threshold) | (mated.above >= RANK)
    return {
        "people": len(np.unique(searches.people)),
        "mated": len(mated.people),
        "nonmated": len(rest.people),
        "rank1": _share(mated.above < 1, mated.people),
        "fnir": _share(missed, mated.people),
        "fpir": _share(rest.highest >= threshold, rest.people),
    }


def _share(value: np.ndarray, people: np.ndarray) -> dict[str, Any] | None:
    if not len(value):
        return None
    return {"share": float(value.mean()), "interval": subject_interval(value, people)}
