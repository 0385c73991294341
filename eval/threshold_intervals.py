"""How sure a rate is at a threshold that is measured, too, where people are the units, and not pairs.

Shapes: S people, P pairs of impostors, F of them accepted, G genuine pairs. Impostor pairs depend where they
share somebody: those of MegaFace a probe's person or a distractor, those of a list either person. An error of
the FAR moves the threshold, and with it the TAR.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .intervals import shares_seen, student_factor, subject_interval, wilson
from .statistics import OperatingPoint, Resolution, Roc, cosine_to_l2, resolution

ADDED_TWOS = 2
"""Twos of people that are added, all of whose pairs are accepted or none: where few twos have any, their
variance is mostly estimated too low."""


ERROR_DIGITS = 5
"""Of what a person adds to a FAR's error, in a report."""


@dataclass(frozen=True)
class FalseShare:
    """The share of impostor pairs that a threshold accepts, and how sure it is."""

    share: float
    independent: float
    """As many independent pairs would have the variance that these show."""
    trials: float
    """The same, fewer as a variance that few people show is not sure itself."""
    parts: np.ndarray
    """(S,): what each person adds to the error of the share, relative to its standard deviation."""

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson's, 95 %."""
        return wilson(self.share, self.trials)


@dataclass(frozen=True)
class TarIntervals:
    """Of a TAR at a FAR, 95 %."""

    tar: tuple[float, float]
    """Of genuine pairs by person, and of the threshold by that of the FAR."""
    far: tuple[float, float]
    """Of the threshold taken."""
    threshold: tuple[float, float | None]
    """Those whose share of impostor pairs may well be seen where the FAR is the point's (Woodruff, JASA
    1952); None where that may be none, so that any higher threshold would do as well."""
    tar_at_threshold: tuple[float, float]
    """The TAR there; 0 where there is no such threshold."""
    impostors: float
    """As many independent impostor pairs would have the variance that these show."""
    resolution: Resolution
    """Whether there are enough of these to see such a FAR."""


def intervals_record(sure: TarIntervals) -> dict[str, Any]:
    """What a report says of them; plain data. An end that cannot be told is None; the higher end of a
    threshold's cosine is the lower one of its L2."""
    lenient, strict = sure.threshold
    return {
        "interval": list(sure.tar),
        "far_interval": list(sure.far),
        "threshold_cosine_interval": [lenient, strict],
        "threshold_l2_interval": [None if strict is None else cosine_to_l2(strict), cosine_to_l2(lenient)],
        "tar_at_threshold_interval": list(sure.tar_at_threshold),
        "independent_impostors": sure.impostors,
        "resolution": sure.resolution,
    }


def tar_intervals(
    point: OperatingPoint, curve: Roc, accepted: np.ndarray, owner: np.ndarray, false: FalseShare
) -> TarIntervals:
    """accepted (G,) bool: genuine pairs accepted at the point's threshold; owner (G,): whose they are, by the
    numbers of false.parts (S,)."""
    low, high = shares_seen(point.far, false.trials)
    fewest, lenient = (
        int(np.searchsorted(curve.far, end * (1 + 1e-12), side="right")) - 1 for end in (low, high)
    )
    # the lowest threshold that fewer reach; there is none where that may be none at all
    strict = max(0, int(np.searchsorted(curve.far, curve.far[fewest])) - 1)
    bounded = bool(curve.far[fewest] > 0 and np.isfinite(curve.threshold[strict]))
    at_threshold = float(curve.tar[lenient]), float(curve.tar[strict]) if bounded else 0.0
    people = len(false.parts)
    error = np.bincount(owner, accepted - np.mean(accepted), people)
    length = float(np.sqrt(np.sum(error**2)))
    return TarIntervals(
        tar=widened(
            point.tar,
            subject_interval(accepted, owner),
            at_threshold[1],
            at_threshold[0],
            # a person who is accepted falsely, and so raises the threshold, and rarely by right
            -float(np.sum(error * false.parts)) / length if length else 0.0,
        ),
        far=false.interval,
        threshold=(float(curve.threshold[lenient]), float(curve.threshold[strict]) if bounded else None),
        tar_at_threshold=at_threshold,
        impostors=false.independent,
        resolution=resolution(point.far, false.independent),
    )


def widened(
    share: float, kept: tuple[float, float], strict: float, lenient: float, correlation: float
) -> tuple[float, float]:
    """The interval of a share that rises as the threshold falls, from that with the threshold kept.

    strict, lenient: the share at the ends of the threshold's interval. Both errors, of the share and of the
    threshold, are added with the correlation of what they do to the share, if that is positive (Zou and
    Donner, Stat. Med. 2008).
    """
    r = min(1.0, max(0.0, correlation))

    def both(one: float, other: float) -> float:
        one, other = max(0.0, one), max(0.0, other)
        return math.sqrt(one**2 + other**2 + 2 * r * one * other)

    low, high = share - both(share - kept[0], share - strict), share + both(kept[1] - share, lenient - share)
    return max(0.0, low), min(1.0, high)


@dataclass(frozen=True)
class _Sums:
    """Of the squared errors of a share: sums over what pairs may have in common, over the squared number of
    pairs."""

    sides: list[float]
    """Over people, or over those of either side."""
    twos: float
    """Over twos, whose pairs both sides counted."""
    few: float
    """Half the variance of their sum, as people are few (Satterthwaite)."""


def crossed(
    share: float, person: np.ndarray, distractor: np.ndarray, photos: np.ndarray, num_distractors: int
) -> FalseShare:
    """The FAR of all pairs of a probe and a distractor.

    person, distractor (F,): of the pairs that are accepted; photos (S,): how many probes each person has.
    share: of all pairs; where it is more than that of the pairs given, these are the highest, and their
    relative error, which is rather larger, stands for that of all.
    """
    probes = float(np.sum(photos))
    weight, pairs = photos / probes, probes * num_distractors
    expected = len(person) / pairs
    two, of_two = np.unique(person * np.int64(num_distractors) + distractor, return_counts=True)
    _, of_distractor = np.unique(distractor, return_counts=True)
    error = np.bincount(person, minlength=len(photos)) / pairs - expected * weight
    shrunk = 1 - 2 * weight + np.sum(weight**2)  # as in intervals.py: the mean is estimated, too
    error /= np.sqrt(np.where(shrunk > 1e-12, shrunk, np.inf))
    # (accepted - expected)^2 over all distractors, and over all twos, of which most have none accepted
    by_distractor = np.sum(of_distractor**2.0) / pairs**2 - expected**2 / num_distractors
    mean_two = expected * photos[two // num_distractors]
    twos = np.sum(of_two**2.0 - 2 * of_two * mean_two) / pairs**2
    twos += expected**2 * np.sum(weight**2) / num_distractors
    sums = _Sums([float(np.sum(error**2)), float(by_distractor)], float(twos), _few(error))
    alike = num_distractors / float(np.sum(weight**2))
    return _share_of(share, expected, pairs, len(two), alike, error, sums)


class ListedPairs:
    """Impostor pairs of a list, and who is on them."""

    def __init__(self, first: np.ndarray, second: np.ndarray, count: int) -> None:
        """first, second (P,): numbers of people, below count."""
        mistakes = np.flatnonzero(first == second)  # a pair of one person is one with nobody else
        second = second.copy()
        second[mistakes] = count + np.arange(len(mistakes))
        self.first, self.second, self.people, self.count = first, second, count, count + len(mistakes)
        self.of_person = self._of_person(first, second)
        self.two, self.of_two = np.unique(self._key(first, second), return_counts=True)

    def _of_person(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        """How many of such pairs each is in, (count,)."""
        return np.bincount(first, minlength=self.count) + np.bincount(second, minlength=self.count)

    def _key(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        return np.minimum(first, second) * np.int64(self.count) + np.maximum(first, second)

    def accepted(self, which: np.ndarray) -> FalseShare:
        """which (P,) bool. The variance is that of intervals.design_effect."""
        pairs = float(len(self.first))
        first, second = self.first[which], self.second[which]
        share = len(first) / pairs
        error = (self._of_person(first, second) - share * self.of_person) / pairs
        two, of_two = np.unique(self._key(first, second), return_counts=True)
        there = self.of_two[np.searchsorted(self.two, two)]
        twos = np.sum(of_two**2.0 - 2 * share * of_two * there) + share**2 * np.sum(self.of_two**2.0)
        # Of the n^2 products of n pairs' errors those of a pair with itself are known from the share alone.
        estimated = error * np.sqrt(1 - 1 / np.maximum(1, self.of_person))
        sums = _Sums([float(np.sum(error**2))], float(twos) / pairs**2, _few(estimated))
        alike = pairs**2 / float(np.sum(self.of_two**2.0))
        return _share_of(share, share, pairs, len(two), alike, error[: self.people], sums)


@dataclass(frozen=True)
class ListedPoint:
    """Of a list's pairs, a TAR at a FAR."""

    accepted: np.ndarray
    """(G,) bool: genuine pairs at the threshold and above."""
    false: FalseShare
    intervals: TarIntervals


def listed_points(
    points: Sequence[OperatingPoint],
    curve: Roc,
    scores: np.ndarray,
    genuine: np.ndarray,
    first: np.ndarray,
    second: np.ndarray,
) -> list[ListedPoint]:
    """How sure each of the curve's points is; scores (P,) and genuine (P,) bool: what the curve is of; first,
    second (P,): who is on each pair, numbers."""
    owner, others = first[genuine], scores[~genuine]
    listed = ListedPairs(first[~genuine], second[~genuine], int(max(first.max(), second.max())) + 1)

    def listed_point(point: OperatingPoint) -> ListedPoint:
        threshold = np.inf if point.threshold is None else point.threshold
        accepted, false = scores[genuine] >= threshold, listed.accepted(others >= threshold)
        return ListedPoint(accepted, false, tar_intervals(point, curve, accepted, owner, false))

    return [listed_point(point) for point in points]


def _share_of(
    share: float, expected: float, pairs: float, seen: int, alike: float, error: np.ndarray, sums: _Sums
) -> FalseShare:
    """expected: the share of those that `sums` are of; seen: twos with an accepted pair; alike: how many twos
    there are, if all had as many pairs."""
    if not expected or share >= 1:
        return FalseShare(share, alike, alike, np.zeros(len(error)))
    # Pairs that share somebody (Cameron, Gelbach and Miller, J. Bus. Econ. Stat. 2011): each side, less both.
    variance = max(sum(sums.sides) - sums.twos, sums.twos)
    dependent = expected * (1 - expected) / alike
    variance += ADDED_TWOS / (ADDED_TWOS + seen) * max(0.0, dependent - variance)
    variance = max(variance, expected * (1 - expected) / pairs)
    freedom = sum(sums.sides) ** 2 / sums.few if sums.few else math.inf
    independent = (1 - share) / share * expected**2 / variance
    trials = independent / student_factor(min(freedom, 1e6))
    return FalseShare(share, independent, trials, error / math.sqrt(variance))


def _few(error: np.ndarray) -> float:
    """Half the variance of the sum of e^2, as some people are mistaken far more often than others and few of
    these are seen (Satterthwaite); error (S,): theirs."""
    return float(np.sum(error**2)) ** 2 / max(shown_by(error) - 1, 0.1)


def shown_by(error: np.ndarray) -> float:
    """How many people a share's error is mostly of, (sum of e^2)^2 / sum of e^4; error (S,): theirs."""
    squares = error**2
    return float(np.sum(squares)) ** 2 / float(np.sum(squares**2)) if squares.any() else 1.0
