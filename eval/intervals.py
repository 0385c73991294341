"""How sure an accuracy or a share is, and a difference of two shares, where searches or pairs share people.

Shapes: P pairs, F folds. A person in many pairs errs in many at once: pairs then count as fewer, divided by
the design effect and by the factor of few people.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from .people import People

FEW_PEOPLE = 20
"""Below so many people, intervals are still too narrow (tests/benchmarks/few_people.py)."""
ADDED_SUBJECTS = 1
"""Subjects that interval_of_counts adds; without, intervals are too narrow where people differ much."""


def accuracy_interval(
    correct: np.ndarray, fold: np.ndarray, effect: float = 1.0, *, level: float = 0.95
) -> tuple[float, float]:
    """Wilson's interval of the mean of the folds' accuracies; correct (P,) bool, fold (P,) int.

    effect: the design effect, by which the number of pairs is divided (Kish, Survey Sampling, 1965); 1 for
    independent pairs. Wilson's interval (JASA 1927) keeps its level down to no error at all, where resampling
    has nothing to resample. Thresholds stay as they were chosen.
    """
    weight = _fold_weights(fold)
    error = float(np.sum(weight * ~correct))  # exactly 0 where no pair is wrong
    low, high = wilson(error, 1 / (np.sum(weight**2) * effect), level)
    return 1 - high, 1 - low


def design_effect(value: np.ndarray, fold: np.ndarray, people: People) -> float:
    """The variance of the mean of the folds' means over that of as many independent pairs, at least 1.

    value (P,): whether a pair is right, or another number of it. Pairs are independent unless they share a
    person (Fafchamps and Gubert, J. Dev. Econ. 2007), so the variance is the sum of r r' over all pairs and
    pairs' that share one, r being w (value - mean), w a pair's weight. It is computed as

        sum over people of (sum of r over that person's pairs)^2
        - sum over twos of people of (sum of r over the pairs of just these two)^2,

    where the second sum takes away what shares two people and was counted for both. Where all pairs are
    alike, as without any error, nothing tells how they depend: there are then as many trials as people.
    """
    value = np.asarray(value, dtype=np.float64)
    if not _someone_is_in_two_pairs(people):
        return 1.0
    weight = _fold_weights(fold)
    if np.ptp(value) == 0:
        there = len(np.union1d(people.first, people.second))
        return max(1.0, 1 / (float(np.sum(weight**2)) * there))
    mean = np.sum(weight * value)
    residual, two = weight * (value - mean), people.first != people.second
    of_person = np.bincount(people.first, residual, people.count)
    of_person += np.bincount(people.second[two], residual[two], people.count)
    both = np.sort(np.stack([people.first[two], people.second[two]]), axis=0)
    _, which = np.unique(both[0] * people.count + both[1], return_inverse=True)
    of_two = np.bincount(which, residual[two])
    variance = np.sum(of_person**2) - np.sum(of_two**2)
    of_one = np.sum(weight * value**2) - mean**2
    return max(1.0, float(variance / (of_one * np.sum(weight**2))))


def few_people_factor(people: People, level: float = 0.95) -> float:
    """By what else the number of pairs is divided, as the design effect is an estimate from so many people:
    (t / z)^2, the quantiles of Student's t with people - 1 degrees of freedom and of the normal distribution.

    1 where nobody is in two pairs. Intervals here depend on z^2 over the number of pairs alone, so that to
    divide by this is to take t in place of z.
    """
    if not _someone_is_in_two_pairs(people):
        return 1.0
    return student_factor(people.count - 1, level)


def subject_interval(value: np.ndarray, subject: np.ndarray, level: float = 0.95) -> tuple[float, float]:
    """Wilson's interval of the share of searches (or pairs) that are true, where those of a subject depend.

    value (Q,) bool, or between 0 and 1: in which share of several repetitions; subject (Q,): whose each is.
    """
    _, which, searches = np.unique(subject, return_inverse=True, return_counts=True)
    return interval_of_counts(np.bincount(which, value), searches, level)


def interval_of_counts(true: np.ndarray, searches: np.ndarray, level: float = 0.95) -> tuple[float, float]:
    """The same from how many searches each subject has, and how many of them are true, (subjects,) each.

    Quantiles are Student's (`_freedom`). How often it covers: tests/benchmarks/subject_coverage.py.
    """
    return wilson(float(np.sum(true)) / float(np.sum(searches)), sure_trials(true, searches, level), level)


def sure_trials(true: np.ndarray, searches: np.ndarray, level: float = 0.95) -> float:
    """As many independent searches would be as sure, of a variance that is known and not estimated."""
    return trials_of_counts(true, searches) / student_factor(_freedom(searches), level)


def trials_of_counts(true: np.ndarray, searches: np.ndarray) -> float:
    """As many independent searches would be as sure: those whose variance would be the ratio estimate's by
    subjects; true and searches (subjects,).

    Where few subjects show what is rare, that estimate is of few, and mostly too low; it is drawn to the
    variance of subjects that are all true or all false each, as if ADDED_SUBJECTS more had been seen to be.
    Few is counted by how what is rare is spread over subjects: (sum of k)^2 / sum of k^2.
    """
    mean, variance, subjects = _ratio_estimate(true, searches)
    one = mean * (1 - mean)
    if one == 0:
        return subjects
    variance = _drawn(variance, one / subjects, true if mean < 0.5 else searches - true)
    return one / max(variance, one / float(np.sum(searches)))


def _drawn(variance: float, dependent: float, rare: np.ndarray) -> float:
    """A variance by subjects, drawn to that of subjects all whose searches are alike; rare (subjects,): how
    often each shows what is rare."""
    count = len(rare)
    show = float(np.sum(rare)) ** 2 / float(np.sum(rare**2.0))
    drawn = ADDED_SUBJECTS / (show + ADDED_SUBJECTS) * (1 - show / count) if count > 1 else 1.0
    return variance + drawn * max(0.0, dependent - variance)


def _ratio_estimate(total: np.ndarray, searches: np.ndarray) -> tuple[float, float, float]:
    """The mean over searches, its variance by subjects, and their effective number 1 / sum of w^2, w being
    their shares of the searches; total and searches (subjects,).

    A subject's part in the mean's error, w (its mean - the mean), has for subjects that vary alike the
    expected square w^2 (1 - 2 w + sum of w^2) times that variance, which is put right here.
    """
    everything = float(np.sum(searches))
    weight, mean = searches / everything, float(np.sum(total)) / everything
    squares = float(np.sum(weight**2))
    parts = (total - searches * mean) / everything
    shrunk = 1 - 2 * weight + squares
    variance = np.sum(np.divide(parts**2, shrunk, out=np.zeros_like(parts), where=shrunk > 1e-12))
    return mean, float(variance), 1 / squares


def _freedom(searches: np.ndarray) -> float:
    """Degrees of freedom of that variance, subjects - 1 where all have as many searches.

    The geometric mean of 1 / sum of w^2 and of (sum of w^2)^2 / sum of w^4, each less one: the second are
    those of a sum whose parts have expected sizes that go with w^2 (Satterthwaite, Biometrics Bull. 1946), as
    where searches depend fully, and cover too much where they do not; the first alone too little.
    """
    squares = (searches / np.sum(searches)) ** 2.0
    alike, unlike = 1 / float(np.sum(squares)), float(np.sum(squares) ** 2 / np.sum(squares**2))
    return math.sqrt(max(0.0, alike - 1) * max(0.0, unlike - 1))


@dataclass(frozen=True)
class SubjectDifference:
    """The share of searches (or pairs) that `other` has right minus that of `base`, the same searches."""

    difference: float
    interval: tuple[float, float]
    p_value: float
    """Two-sided, by Student's t: that subjects differ at random in which of the two is better."""


def difference_by_subject(
    base: np.ndarray, other: np.ndarray, subject: np.ndarray, level: float = 0.95
) -> SubjectDifference:
    """Two models on the same searches: base and other (Q,) bool, whether each is right; subject (Q,)."""
    gain = other.astype(np.float64) - base.astype(np.float64)
    _, which, searches = np.unique(subject, return_inverse=True, return_counts=True)
    return difference_of_counts(np.bincount(which, gain), searches, level)


def difference_of_counts(
    gain: np.ndarray, searches: np.ndarray, level: float = 0.95, *, moved: np.ndarray | None = None
) -> SubjectDifference:
    """The same from how many more searches of each subject `other` has right, and how many there are of each
    subject, (subjects,) each.

    moved: for gains that are averaged over several models, the sum over each subject's searches of the
    squared gain. Without it searches gain -1, 0 or 1, and a subject's that differ are taken to gain alike:
    |gain|.
    """
    from scipy.special import ndtri, stdtr

    difference, variance, subjects = _ratio_estimate(gain, searches)
    if subjects < 1 + 1e-9:  # of one subject nothing can be told about others
        return SubjectDifference(difference, (-1.0, 1.0), 1.0)
    freedom = max(1.0, _freedom(searches))
    if not gain.any():  # how many subjects may gain or lose where none of these does
        _, most = wilson(0.0, subjects / student_factor(freedom, level), level)
        return SubjectDifference(0.0, (-most, most), 1.0)
    if variance == 0:  # all gain alike: the sign test of the subjects, and no spread to take an interval from
        return SubjectDifference(difference, (-1.0, 1.0), min(1.0, 2.0 ** (1 - len(searches))))
    moved = np.abs(gain) if moved is None else moved
    error = math.sqrt(_drawn(variance, float(np.sum(moved) / np.sum(searches)) / subjects, moved))
    half = float(ndtri((1 + level) / 2)) * math.sqrt(student_factor(freedom, level)) * error
    p_value = float(2 * stdtr(freedom, -abs(difference) / error))
    interval = max(-1.0, difference - half), min(1.0, difference + half)
    return SubjectDifference(difference, interval, 1.0 if difference == 0 else p_value)


def student_factor(freedom: float, level: float = 0.95) -> float:
    """(t / z)^2: quantiles of Student's t with so many degrees of freedom, at least 1, and the normal's."""
    from scipy.special import ndtri, stdtrit

    tail = (1 + level) / 2
    return float(stdtrit(max(1.0, freedom), tail) / ndtri(tail)) ** 2


def _someone_is_in_two_pairs(people: People) -> bool:
    everybody = np.append(people.first, people.second[people.first != people.second])
    return len(np.unique(everybody)) < len(everybody)


def wilson(share: float, count: float, level: float = 0.95) -> tuple[float, float]:
    """Wilson's interval of a share among `count` trials, which need not be a whole number."""
    from scipy.special import ndtri  # quantiles of the normal distribution

    z = float(ndtri((1 + level) / 2))
    middle = (share + z**2 / (2 * count)) / (1 + z**2 / count)
    half = z / (1 + z**2 / count) * math.sqrt(share * (1 - share) / count + (z / (2 * count)) ** 2)
    return (0.0 if share == 0 else middle - half), (1.0 if share == 1 else middle + half)


def shares_seen(true: float, trials: float, level: float = 0.95) -> tuple[float, float]:
    """The lowest and the highest share of `trials`, which need not be a whole number, that may well be seen
    where the true one is `true`: what the binomial distribution has in its middle. The highest is at least
    the normal distribution's, as trials that count as few, since they come together, may come singly, too.

    The thresholds at which such shares are seen are those that may have the true share. The interval of the
    share that is seen would not do in its place: of 3 of 3,000 it is 1.02 to 8.8, though none of 3,000 is at
    or above the threshold of a FAR of 1e-3 in one list of twenty.
    """
    from scipy.special import bdtrik, ndtri

    tail = (1 - level) / 2
    low, high = (math.ceil(bdtrik(each, trials, true)) / trials for each in (tail, 1 - tail))
    normal = true + float(ndtri(1 - tail)) * math.sqrt(true * (1 - true) / trials)
    return low, min(1.0, max(high, normal))


def _fold_weights(fold: np.ndarray) -> np.ndarray:
    """What each pair counts in the mean of the folds' means, (P,), summing to 1."""
    _, inside, sizes = np.unique(fold, return_inverse=True, return_counts=True)
    return 1 / (len(sizes) * sizes[inside])
