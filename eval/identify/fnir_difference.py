"""The difference of two models' FNIR at one FPIR, each at its own threshold, which are not sure either.

Shapes: M searches with a mate, U without, S subjects.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ..intervals import SubjectDifference, difference_by_subject, student_factor
from ..search_statistics import correlation, missed, open_set_point


@dataclass(frozen=True)
class Scores:
    """A model's on the searches that both models made."""

    mate_score: np.ndarray
    """(M,): the mate's."""
    above: np.ndarray
    """(M,): how many others score as high as the mate or higher."""
    highest: np.ndarray
    """(U,): the highest of each search without a mate."""


@dataclass(frozen=True)
class _AtPoint:
    lost: np.ndarray
    """(M,) bool: mates that are missed."""
    false: np.ndarray
    """(U,) bool: searches that return somebody."""
    up: float
    """By how much its FNIR may be higher, and lower, as its threshold is not sure: at the ends of Woodruff's
    interval of it."""
    down: float


def fnir_difference(
    base: Scores,
    other: Scores,
    people: np.ndarray,
    highest_people: np.ndarray,
    fpir: float,
    rank: int | None,
) -> SubjectDifference:
    """people (M,), highest_people (U,): whose the searches are, numbers; rank: R; None for any.

    Three errors are added: that of the difference at thresholds that are kept, and that of either threshold.
    Ends are theirs, each with the sign by which it moves the difference, and their correlations by subjects
    (Zou and Donner, Stat. Med. 2008). Both thresholds rise together where the same searches return somebody
    with both models, which cancels; few such subjects show that poorly, so that it counts only as far as the
    correlation's lower end (Fisher). p is the level whose interval ends at 0, by Student's t.
    """
    first, second = (_at_point(each, people, highest_people, fpir, rank) for each in (base, other))
    kept = difference_by_subject(first.lost, second.lost, people)  # .lost in place of right: FNIR's sign
    gain = second.lost.astype(float) - first.lost
    together = _at_least(
        correlation(first.false, highest_people, second.false, highest_people),
        len(np.unique(highest_people[first.false | second.false])),
    )
    # a subject who raises a threshold and is missed more with it: only what adds is counted
    with_first = max(0.0, -correlation(gain, people, first.false, highest_people))
    with_second = max(0.0, correlation(gain, people, second.false, highest_people))

    def length(alone: float, of_first: float, of_second: float) -> float:
        square = alone**2 + of_first**2 + of_second**2 - 2 * together * of_first * of_second
        return math.sqrt(square + 2 * alone * (with_first * of_first + with_second * of_second))

    low, high = kept.interval
    down = length(kept.difference - low, first.up, second.down)
    up = length(high - kept.difference, first.down, second.up)
    return SubjectDifference(
        kept.difference,
        (max(-1.0, kept.difference - down), min(1.0, kept.difference + up)),
        max(
            kept.p_value,
            _p_value(kept.difference, down if kept.difference > 0 else up, highest_people, people),
        ),
    )


def _at_point(
    scores: Scores, people: np.ndarray, highest_people: np.ndarray, fpir: float, rank: int | None
) -> _AtPoint:
    point = open_set_point(
        scores.mate_score, scores.above, people, scores.highest, highest_people, fpir, rank
    )
    lenient, strict = (
        float(missed(scores.mate_score, scores.above, end, rank).mean()) for end in point.threshold_interval
    )
    return _AtPoint(
        lost=missed(scores.mate_score, scores.above, point.threshold, rank),
        false=scores.highest >= point.threshold,
        up=strict - point.fnir,
        down=point.fnir - lenient,
    )


def _at_least(r: float, subjects: int) -> float:
    """The lower end of a correlation's 95 % interval (Fisher's z), not below 0; below 0 as it is."""
    if r <= 0:
        return r
    if subjects <= 3:
        return 0.0
    return max(0.0, math.tanh(math.atanh(min(r, 1 - 1e-12)) - 1.96 / math.sqrt(subjects - 3)))


def _p_value(difference: float, half: float, *people: np.ndarray) -> float:
    """Of a difference whose 95 % interval is so long on the side of 0."""
    from scipy.special import ndtri, stdtr

    if difference == 0 or half <= 0:
        return 1.0 if difference == 0 else 0.0
    freedom = max(1.0, min(len(np.unique(each)) for each in people) - 1.0)
    error = half / (float(ndtri(0.975)) * math.sqrt(student_factor(freedom)))
    return float(2 * stdtr(freedom, -abs(difference) / error))
