"""Error rates per group of people: a CSV says who is in which."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..groups import Groups
from ..intervals import subject_interval
from ..photos import first_three
from ..search_statistics import missed
from .numbers import Searches, nonmated_of


def per_group(
    searches: Searches,
    names: Sequence[str] | Mapping[int, str],
    groups: Groups,
    point: Mapping[str, Any],
    rank: int | None = 1,
) -> dict[str, Any]:
    """Rank-1, FNIR and FPIR of each group at the threshold of one operating point of all; FPIR of the
    searches that `open_set` takes for those without a mate.

    names: of people, by their numbers. rank: R of FNIR(N, R, T); None for any.
    """
    searched: list[int] = searches.people.tolist()
    present = {names[person] for person in set(searched)}
    unknown, without = sorted(set(groups.of) - present), sorted(present - set(groups.of))
    nonmated, nothing = nonmated_of(searches), [""] * len(groups.columns)
    of = [groups.of.get(names[person], nothing) for person in searched]
    columns = []
    for column, name in enumerate(groups.columns):
        values = np.array([groups_of[column] for groups_of in of])
        columns.append(
            {
                "name": name,
                "groups": [
                    {"group": value or None} | _rates(searches, nonmated, values == value, point, rank)
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
        "resolution": point["resolution"],
        "columns": columns,
    }


def _rates(
    searches: Searches, nonmated: np.ndarray, which: np.ndarray, point: Mapping[str, Any], rank: int | None
) -> dict[str, Any]:
    """nonmated, which (Q,) bool: those that FPIR is of, and those of the group."""
    mated, rest = searches.only(searches.mated & which), searches.only(nonmated & which)
    threshold = point["threshold_cosine"]
    return {
        "people": len(np.unique(searches.people[which])),
        "mated": len(mated.people),
        "nonmated": len(rest.people),
        "rank1": _share(mated.above < 1, mated.people),
        "fnir": _share(missed(mated.mate_score, mated.above, threshold, rank), mated.people),
        "fpir": _share(rest.highest >= threshold, rest.people),
    }


def _share(value: np.ndarray, people: np.ndarray) -> dict[str, Any] | None:
    if not len(value):
        return None
    return {"share": float(value.mean()), "interval": subject_interval(value, people)}
