"""Error rates of verification by group of people, at the thresholds that the protocol chose for all pairs.

Shapes: P pairs. A genuine pair is of its person's group; an impostor pair is of a group if both people are,
and else of two groups.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .groups import Groups
from .intervals import accuracy_interval, design_effect, few_people_factor, subject_interval
from .people import People
from .photos import first_three


def pair_groups(
    names: tuple[Sequence[str | None], Sequence[str | None]],
    people: People,
    genuine: np.ndarray,
    correct: np.ndarray,
    groups: Groups,
) -> dict[str, Any]:
    """What a report says of groups, plain data.

    names: of the people on the first and on the second photos, (P,) each; None for somebody without a name.
    genuine, correct (P,) bool. FNMR is the share of genuine pairs that are refused, FMR that of impostor
    pairs that are accepted; intervals are by person, thresholds kept.
    """
    there = {name for side in names for name in side if name is not None}
    unknown, without = sorted(set(groups.of) - there), sorted(there - set(groups.of))
    nothing, columns = [""] * len(groups.columns), []

    def of_name(name: str | None) -> list[str]:
        return groups.of.get(name or "", nothing)

    for column, title in enumerate(groups.columns):
        first, second = (np.array([of_name(name)[column] for name in side]) for side in names)
        values = sorted(set(first.tolist()) | set(second.tolist()), key=lambda value: (not value, value))
        rows = []
        for value in values:
            both = (first == value) & (second == value)
            rows.append({"group": value or None} | _rates(people, genuine, correct, both))
        across = _rates(people, genuine, correct, first != second)
        columns.append({"name": title, "groups": rows, "across": {k: across[k] for k in ("impostor", "fmr")}})
    return {
        "file": str(groups.file),
        "people_elsewhere": len(unknown),
        "people_elsewhere_are": first_three(unknown),
        "people_without": len(without),
        "columns": columns,
    }


def _rates(people: People, genuine: np.ndarray, correct: np.ndarray, of_group: np.ndarray) -> dict[str, Any]:
    same, other = of_group & genuine, of_group & ~genuine
    fnmr = None
    if same.any():
        refused = ~correct[same]
        interval = subject_interval(refused, people.first[same])
        fnmr = {"share": float(refused.mean()), "interval": list(interval)}
    return {
        "people": len(np.union1d(people.first[of_group], people.second[of_group])),
        "genuine": int(same.sum()),
        "fnmr": fnmr,
        "impostor": int(other.sum()),
        "fmr": _fmr(people, correct, other),
    }


def _fmr(people: People, correct: np.ndarray, pairs: np.ndarray) -> dict[str, Any] | None:
    if not pairs.any():
        return None
    numbers, two = np.unique(np.stack([people.first[pairs], people.second[pairs]]), return_inverse=True)
    first, second = two.reshape(2, -1)
    there = People(first, second, len(numbers), people.named, people.words)
    right, fold = correct[pairs], np.zeros(int(pairs.sum()), dtype=np.int64)
    effect = design_effect(right, fold, there) * few_people_factor(there)
    low, high = accuracy_interval(right, fold, effect)
    return {"share": float(np.mean(~right)), "interval": [1 - high, 1 - low]}
