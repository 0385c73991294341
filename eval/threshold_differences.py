"""The difference of two models' rates, each at its own threshold, which are measured and not sure either.

Two equal models of which one got the stricter threshold by chance would differ "significantly" if thresholds
were taken as given. Shapes: S subjects.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from .intervals import SubjectDifference, difference_of_counts, student_factor
from .threshold_intervals import shown_by


@dataclass(frozen=True)
class AtThreshold:
    """A model's rate at a threshold that is measured: a TAR at a FAR, an FNIR at an FPIR."""

    counts: np.ndarray
    """(S,): how many of each subject's pairs or searches the rate counts."""
    ends: tuple[float, float]
    """The rate at the ends of the threshold's interval (Woodruff), in either order."""
    parts: np.ndarray
    """(S,): what each subject adds to the rate's error by moving the threshold, relative to the standard
    deviation of all that moves it. What no subject adds is taken as the model's own."""


def difference_at_thresholds(
    first: AtThreshold, second: AtThreshold, trials: np.ndarray
) -> SubjectDifference:
    """The second model's rate minus the first one's; trials (S,): pairs or searches of each subject.

    Three errors are added: that of the difference with thresholds kept, by subjects, and that of either
    threshold. Ends are theirs, each with the sign by which it moves the difference, and their correlations
    by subjects (Zou and Donner, Stat. Med. 2008). Both thresholds rise together where the same subjects raise
    them with both models, which cancels; few subjects show that poorly, so that it counts only as far as the
    lower end of the correlation of as many subjects as either error is mostly of. p is the level whose
    interval ends at 0, by Student's t.
    """
    gain, there = second.counts - first.counts, trials > 0
    kept = difference_of_counts(gain[there], trials[there])
    errors = gain - trials * kept.difference
    length = float(np.linalg.norm(errors))
    errors = errors / length if length else errors
    together = _at_least(
        _correlation(first.parts, second.parts), min(shown_by(first.parts), shown_by(second.parts))
    )
    # a subject who moves a rate by the threshold as by its own errors: only what adds is counted
    with_first = max(0.0, -_correlation(errors, first.parts))
    with_second = max(0.0, _correlation(errors, second.parts))

    def half(alone: float, of_first: float, of_second: float) -> float:
        square = alone**2 + of_first**2 + of_second**2 - 2 * together * of_first * of_second
        return math.sqrt(square + 2 * alone * (with_first * of_first + with_second * of_second))

    (first_down, first_up), (second_down, second_up) = (_moved(each, trials) for each in (first, second))
    low, high = kept.interval
    down = half(kept.difference - low, first_up, second_down)
    up = half(high - kept.difference, first_down, second_up)
    moving = (first.parts != 0) | (second.parts != 0)
    people = int(min(np.count_nonzero(there), np.count_nonzero(moving)))
    return SubjectDifference(
        kept.difference,
        (max(-1.0, kept.difference - down), min(1.0, kept.difference + up)),
        max(kept.p_value, _p_value(kept.difference, down if kept.difference > 0 else up, people - 1)),
    )


def parts_of_counts(true: np.ndarray, searches: np.ndarray) -> np.ndarray:
    """What each subject adds to the error of a share of searches, relative to its standard deviation; true
    and searches (S,)."""
    error = true - searches * (float(np.sum(true)) / float(np.sum(searches)))
    length = float(np.linalg.norm(error))
    return error / length if length else error


def _moved(rate: AtThreshold, trials: np.ndarray) -> tuple[float, float]:
    """By how much a rate may be lower, and higher, as its threshold is not sure."""
    share = float(np.sum(rate.counts)) / float(np.sum(trials))
    return max(0.0, share - min(rate.ends)), max(0.0, max(rate.ends) - share)


def _correlation(one: np.ndarray, other: np.ndarray) -> float:
    """Of two errors by what each subject adds, relative to their standard deviations. Parts that come to more
    than 1, as of pairs that both of their subjects count, are taken to be all."""
    lengths = max(1.0, float(np.linalg.norm(one))) * max(1.0, float(np.linalg.norm(other)))
    return float(np.sum(one * other)) / lengths


def _at_least(r: float, subjects: float) -> float:
    """The lower end of a correlation's 95 % interval (Fisher's z), not below 0; below 0 as it is."""
    if r <= 0:
        return r
    if subjects <= 3:
        return 0.0
    return max(0.0, math.tanh(math.atanh(min(r, 1 - 1e-12)) - 1.96 / math.sqrt(subjects - 3)))


def _p_value(difference: float, half: float, freedom: float) -> float:
    """Of a difference whose 95 % interval is so long on the side of 0."""
    from scipy.special import ndtri, stdtr

    if difference == 0 or half <= 0:
        return 1.0 if difference == 0 else 0.0
    freedom = max(1.0, freedom)
    error = half / (float(ndtri(0.975)) * math.sqrt(student_factor(freedom)))
    return float(2 * stdtr(freedom, -abs(difference) / error))
