"""Which rows of a study are compared, and how far one arm is from another: over seeds, and over people."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .kept import Kept, Row, beginning
from .numbers import Interval, over_both, over_pairs, over_searches, over_seeds
from .spec import Study

MEASURES = {
    "rank_1": ("searches", "rank-1 %"),
    "accuracy": ("pairs", "accuracy of the pairs %"),
}
"""What is tested, the first one first: of which outcomes, and in words."""


@dataclass(frozen=True)
class Comparison:
    """One arm minus another in one measure, in points."""

    arm: str
    other: str
    measure: str
    differences: list[float]
    """By seed."""
    seeds: Interval
    people: Interval

    @property
    def mean(self) -> float:
        return statistics.mean(self.differences)

    @property
    def both(self) -> tuple[float, float]:
        """The interval for other seeds and other people at once."""
        return over_both(self.differences, self.people.error)

    @property
    def p_value(self) -> float:
        """That seeds alone, or people alone, explain the difference."""
        return max(self.seeds.p_value, self.people.p_value)


def of_arms(study: Study, kept: Kept, measure: str) -> list[Comparison]:
    """Each arm against its control, of those that share two seeds or more."""
    return _of(kept, measure, [(arm, study.against(arm)) for arm in list(study.arms)[1:]])


def of_contrasts(study: Study, kept: Kept, measure: str) -> list[Comparison]:
    """Of arms among themselves, as the study asks."""
    return _of(kept, measure, study.contrasts)


def paired(rows: Sequence[Row], arm: str, other: str) -> list[tuple[Row, Row]]:
    """The rows of both, seed by seed and of one start; without those that diverged."""
    others = {(row.seed, beginning(row)): row for row in rows if row.arm == other and row.numbers}
    both = [(row, others.get((row.seed, beginning(row)))) for row in rows if row.arm == arm and row.numbers]
    return [(mine, yours) for mine, yours in both if yours is not None]


def _of(kept: Kept, measure: str, asked: Sequence[tuple[str, str]]) -> list[Comparison]:
    kind, _ = MEASURES[measure]
    found = []
    for arm, other in asked:
        both = paired(kept.rows, arm, other)
        if len(both) < 2:
            continue
        differences = [mine.numbers[measure] - yours.numbers[measure] for mine, yours in both]
        gains = [mine.right[kind].astype(int) - yours.right[kind].astype(int) for mine, yours in both]
        gain, subjects = np.mean(gains, axis=0), kept.subjects[kind]
        by_people = over_pairs(gain, subjects) if kind == "pairs" else over_searches(gain, subjects[:, 0])
        points = Interval(100 * by_people.low, 100 * by_people.high, by_people.p_value, 100 * by_people.error)
        found.append(Comparison(arm, other, measure, differences, over_seeds(differences), points))
    return found
