"""Which rows the templates of a list are, whose they are, and whether the lists go together.

Shapes: T templates, those with faces, their numbers rising; P pairs.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from sphereface_plus.data.formats.ijb import IjbError, Pairs, Subjects


def subjects(sides: Sequence[Subjects], numbers: np.ndarray) -> np.ndarray | None:
    """Whose the templates (T,) are, -1 where no list says it; None without lists.

    sides: both galleries, then the probes. Raises IjbError where lists do not go together.
    """
    if not sides:
        return None
    subject = np.full(len(numbers), -1, dtype=np.int64)
    for side in sides:
        rows = rows_of(side.template, numbers, side.file)
        other = (subject[rows] >= 0) & (subject[rows] != side.subject)
        if other.any():
            raise IjbError(
                f"{side.file}: template {side.template[np.argmax(other)]} is of another subject than in the "
                "other lists"
            )
        subject[rows] = side.subject
    both = np.intersect1d(sides[0].subject, sides[1].subject)
    if len(both):
        raise IjbError(
            f"{sides[1].file}: {len(both):,} of its subjects are in {sides[0].file.name}, too (subject "
            f"{both[0]}); the two galleries of a set have different ones"
        )
    return subject


def rows_of(template: np.ndarray, numbers: np.ndarray, file: Path) -> np.ndarray:
    """The rows of templates by their numbers. Raises IjbError, naming their list, where one has no face."""
    rows = np.minimum(np.searchsorted(numbers, template), len(numbers) - 1)
    without = numbers[rows] != template
    if without.any():
        lacking = np.unique(template[without])
        raise IjbError(
            f"{file}: {len(lacking):,} of its templates have no face in the list of faces (template "
            f"{lacking[0]}); are both lists of one set?"
        )
    return rows


def rows_of_pairs(
    pairs: Pairs, numbers: np.ndarray, subject: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray, int]:
    """Rows of the pairs' templates, which pairs are genuine, and how many labels the subjects contradict."""
    first, second = (rows_of(side, numbers, pairs.file) for side in (pairs.first, pairs.second))
    contradictions, genuine = 0, pairs.genuine
    if subject is not None:
        known = (subject[first] >= 0) & (subject[second] >= 0)
        same = subject[first] == subject[second]
        if genuine is None and known.all():
            genuine = same
        elif genuine is not None:
            contradictions = int(np.sum(known & (same != genuine)))
    if genuine is None:
        raise IjbError(
            f"{pairs.file}: has no labels, and the subjects of its templates are not known; put the lists of "
            "galleries and probes beside it, or a list of pairs with labels"
        )
    if genuine.all() or not genuine.any():
        kind = "genuine" if genuine.all() else "impostor"
        raise IjbError(f"{pairs.file}: holds {kind} pairs only; both kinds are needed")
    return first, second, genuine, contradictions
