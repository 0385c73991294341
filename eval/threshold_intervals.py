"""How sure a rate is at a threshold that is measured, too, where people are the units, and not pairs.

Shapes: S people, P pairs of impostors, F of them accepted, G genuine pairs. Impostor pairs depend where they
share somebody: those of MegaFace a probe's person or a distractor, those of a list either person. An error of
the FAR moves the threshold, and with it the TAR.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from .intervals import student_factor, subject_interval, wilson
from .statistics import OperatingPoint, Resolution, Roc, cosine_to_l2, resolution

FULLY_DEPENDENT = 2
"""Twos of people that are added, all of whose pairs are accepted or none: where few twos have any, their
variance is mostly estimated too low."""


ERROR_DIGITS = 5
"""Of what a person adds to a FAR's error, in a report."""


@dataclass(frozen=True)
class FalseShare:
    """The share of impostor pairs that a threshold accepts, and how sure it is."""

    share: float
    trials: float
    """As many independent pairs would be as sure."""
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
    """The thresholds at the ends of the FAR's interval (Woodruff, JASA 1952); None where at the lower end no
    impostor pair is accepted, so that any higher threshold would do as well."""
    tar_at_threshold: tuple[float, float]
    """The TAR there; 0 where there is no such threshold."""
    resolution: Resolution
    """Whether there are enough impostor pairs, those that depend counted as fewer, to see such a FAR."""


def intervals_record(sure: TarIntervals) -> dict[str, Any]:
    """What a report says of them; plain data. An end that cannot be told is None."""
    return {
        "interval": list(sure.tar),
        "far_interval": list(sure.far),
        **threshold_record(sure.threshold),
        "tar_at_threshold_interval": list(sure.tar_at_threshold),
        "resolution": sure.resolution,
    }


def threshold_record(interval: tuple[float, float | None]) -> dict[str, Any]:
    """The interval of a threshold in cosine, and in L2, where what was the higher end is the lower one."""
    lenient, strict = interval
    return {
        "threshold_cosine_interval": [lenient, strict],
        "threshold_l2_interval": [None if strict is None else cosine_to_l2(strict), cosine_to_l2(lenient)],
    }


def tar_intervals(
    point: OperatingPoint, curve: Roc, accepted: np.ndarray, owner: np.ndarray, false: FalseShare
) -> TarIntervals:
    """accepted (G,) bool: genuine pairs accepted at the point's threshold; owner (G,): whose they are, by the
    numbers of false.parts (S,)."""
    strict, lenient = (int(np.searchsorted(curve.far, end, side="right")) - 1 for end in false.interval)
    bounded = bool(curve.far[strict] > 0)
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
        resolution=resolution(point.far, false.trials),
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
    shown: list[float]
    """How many each of `sides` is mostly of: (sum of e^2)^2 / sum of e^4."""


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
    sums = _Sums([float(np.sum(error**2)), float(by_distractor)], float(twos), [shown_by(error), math.inf])
    alike = num_distractors / float(np.sum(weight**2))
    return _share_of(share, expected, pairs, len(two), alike, error, sums)


class ListedPairs:
    """Impostor pairs of a list, and who is on them."""

    def __init__(self, first: np.ndarray, second: np.ndarray, count: int) -> None:
        """first, second (P,): numbers of people, below count."""
        self.first, self.second, self.count = first, second, count
        self.of_person = np.bincount(first, minlength=count) + np.bincount(second, minlength=count)
        self.two, self.of_two = np.unique(self._key(first, second), return_counts=True)

    def _key(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        return np.minimum(first, second) * np.int64(self.count) + np.maximum(first, second)

    def accepted(self, which: np.ndarray) -> FalseShare:
        """which (P,) bool. The variance is that of intervals.design_effect."""
        pairs = float(len(self.first))
        first, second = self.first[which], self.second[which]
        share = len(first) / pairs
        accepted = np.bincount(first, minlength=self.count) + np.bincount(second, minlength=self.count)
        error = (accepted - share * self.of_person) / pairs
        two, of_two = np.unique(self._key(first, second), return_counts=True)
        there = self.of_two[np.searchsorted(self.two, two)]
        twos = np.sum(of_two**2.0 - 2 * share * of_two * there) + share**2 * np.sum(self.of_two**2.0)
        sums = _Sums([float(np.sum(error**2))], float(twos) / pairs**2, [shown_by(error)])
        alike = pairs**2 / float(np.sum(self.of_two**2.0))
        return _share_of(share, share, pairs, len(two), alike, error, sums)


def _share_of(
    share: float, expected: float, pairs: float, seen: int, alike: float, error: np.ndarray, sums: _Sums
) -> FalseShare:
    """expected: the share of those that `sums` are of; seen: twos with an accepted pair; alike: how many twos
    there are, if all had as many pairs."""
    if not expected or share >= 1:
        return FalseShare(share, alike, np.zeros(len(error)))
    # Pairs that share somebody (Cameron, Gelbach and Miller, J. Bus. Econ. Stat. 2011): each side, less both.
    variance = max(sum(sums.sides) - sums.twos, sums.twos)
    dependent = expected / alike
    variance += FULLY_DEPENDENT / (FULLY_DEPENDENT + seen) * max(0.0, dependent - variance)
    variance = max(variance, expected * (1 - expected) / pairs)
    # Some people are mistaken far more often than others, and few of these are seen (Satterthwaite).
    few = sum(side**2 / max(shown - 1, 0.1) for side, shown in zip(sums.sides, sums.shown, strict=True))
    freedom = sum(sums.sides) ** 2 / few if few else math.inf
    trials = (1 - share) / share * expected**2 / variance / student_factor(min(freedom, 1e6))
    return FalseShare(share, trials, error / math.sqrt(variance))


def shown_by(error: np.ndarray) -> float:
    """How many people a share's error is mostly of, (sum of e^2)^2 / sum of e^4; error (S,): theirs."""
    squares = error**2
    return float(np.sum(squares)) ** 2 / float(np.sum(squares**2)) if squares.any() else 1.0
