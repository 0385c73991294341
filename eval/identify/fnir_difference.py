"""The difference of two models' FNIR at one FPIR, each at its own threshold.

Shapes: M searches with a mate, U without, S subjects.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..intervals import SubjectDifference
from ..search_statistics import missed, open_set_point
from ..threshold_differences import AtThreshold, difference_at_thresholds, parts_of_counts


@dataclass(frozen=True)
class Scores:
    """A model's on the searches that both models made."""

    mate_score: np.ndarray
    """(M,): the mate's."""
    above: np.ndarray
    """(M,): how many others score as high as the mate or higher."""
    highest: np.ndarray
    """(U,): the highest of each search without a mate."""


def fnir_difference(
    base: Scores,
    other: Scores,
    people: np.ndarray,
    highest_people: np.ndarray,
    fpir: float,
    rank: int | None,
) -> SubjectDifference:
    """people (M,), highest_people (U,): whose the searches are, numbers; rank: R; None for any."""
    count = int(max(people.max(), highest_people.max())) + 1
    searches, without = (np.bincount(each, minlength=count) for each in (people, highest_people))

    def at_fpir(scores: Scores) -> AtThreshold:
        point = open_set_point(
            scores.mate_score, scores.above, people, scores.highest, highest_people, fpir, rank
        )
        lost = missed(scores.mate_score, scores.above, point.threshold, rank)
        returned = np.bincount(highest_people, scores.highest >= point.threshold, count)
        return AtThreshold(
            np.bincount(people, lost, count), point.fnir_at_threshold, parts_of_counts(returned, without)
        )

    return difference_at_thresholds(at_fpir(base), at_fpir(other), searches)
