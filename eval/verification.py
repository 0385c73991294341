"""Verification statistics, pure: scores and labels in, numbers out.

Shapes: P pairs, F folds, T operating points. A score is higher for pairs that are more alike; `genuine` (P,)
is True for two photos of one identity. FAR is the share of impostor pairs that are accepted, TAR that of
genuine pairs.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from .people import People

RESAMPLES = 10_000
FARS = (1e-1, 1e-2, 1e-3, 1e-4)

Resolution = Literal["resolved", "coarse", "unresolved"]


@dataclass(frozen=True)
class Roc:
    """Operating points from strict to lenient; a pair is accepted if its score >= threshold."""

    threshold: np.ndarray
    """(T,) every distinct score, descending; the first one, +inf, accepts nothing."""
    far: np.ndarray
    """(T,) from 0 to 1."""
    tar: np.ndarray
    """(T,) from 0 to 1."""


@dataclass(frozen=True)
class OperatingPoint:
    """What a system does that may accept at most the share `far` of the impostor pairs."""

    far: float
    """The target."""
    tar: float
    false_accepts: int
    """Impostor pairs accepted at the threshold."""
    threshold: float | None
    """Accept at this score and above; None where even the best genuine score would break the target."""
    resolution: Resolution
    """Whether there are enough impostor pairs to see such a FAR at all."""


def roc(scores: np.ndarray, genuine: np.ndarray) -> Roc:
    """The whole curve from one sort. scores (P,), genuine (P,) bool.

    Raises ValueError if a score is not finite or one of the two kinds of pairs is missing.
    """
    scores, genuine = _checked(scores, genuine)
    order = np.argsort(-scores, kind="stable")
    descending, is_genuine = scores[order], genuine[order]
    # Pairs of one score are accepted together: a point at the last pair of each run of equal scores.
    ends = np.append(np.flatnonzero(np.diff(descending)), len(descending) - 1)
    genuine_accepted = np.cumsum(is_genuine)[ends]
    impostor_accepted = ends + 1 - genuine_accepted
    return Roc(
        threshold=np.append(np.inf, descending[ends]),
        far=np.append(0.0, impostor_accepted / np.sum(~genuine)),
        tar=np.append(0.0, genuine_accepted / np.sum(genuine)),
    )


def area_under_curve(curve: Roc) -> float:
    """AUC by trapezoids: the chance that a genuine pair scores above an impostor pair, ties counted half."""
    return float(np.sum(np.diff(curve.far) * (curve.tar[1:] + curve.tar[:-1])) / 2)


def equal_error_rate(curve: Roc) -> float:
    """Where the curve, its points joined by straight lines, has FAR = 1 - TAR."""
    excess = curve.far + curve.tar - 1  # rises from -1 to 1
    after = int(np.argmax(excess >= 0))
    share = -excess[after - 1] / (excess[after] - excess[after - 1])
    return float(curve.far[after - 1] + share * (curve.far[after] - curve.far[after - 1]))


def resolution(far: float, num_impostors: int) -> Resolution:
    """Whether FAR can be seen: below one expected false accept it cannot, below ten it is coarse."""
    expected = far * num_impostors
    return "unresolved" if expected < 1 else "coarse" if expected < 10 else "resolved"


def tar_at_far(curve: Roc, far: float, num_impostors: int) -> OperatingPoint:
    """The most lenient point whose FAR is at most `far`; an unresolved FAR allows no false accept at all."""
    point = int(np.searchsorted(curve.far, far, side="right")) - 1
    threshold = float(curve.threshold[point])
    return OperatingPoint(
        far=far,
        tar=float(curve.tar[point]),
        false_accepts=round(float(curve.far[point]) * num_impostors),
        threshold=threshold if np.isfinite(threshold) else None,
        resolution=resolution(far, num_impostors),
    )


def cosine_to_l2(cosine: float) -> float:
    """Euclidean distance between two unit embeddings at this cosine: L2^2 = 2 - 2 cos."""
    return float(np.sqrt(max(0.0, 2 - 2 * cosine)))


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


def design_effect(correct: np.ndarray, fold: np.ndarray, people: People) -> float:
    """The accuracy's variance over that of as many independent pairs, at least 1; shapes as above.

    Pairs are independent unless they share a person (Fafchamps and Gubert, J. Dev. Econ. 2007). With the
    residuals r of the pairs the variance is

        sum over people of (sum of r over that person's pairs)^2 - sum over pairs of two people of r^2,

    where the last sum takes away what the pairs of two people brought in twice.
    """
    weight = _fold_weights(fold)
    error = float(np.sum(weight * ~correct))
    if error in (0, 1):
        return 1.0
    residual, two = weight * (~correct - error), people.first != people.second
    of_person = np.bincount(people.first, residual, people.count)
    of_person += np.bincount(people.second[two], residual[two], people.count)
    variance = np.sum(of_person**2) - np.sum(residual[two] ** 2)
    return max(1.0, float(variance / (error * (1 - error) * np.sum(weight**2))))


def wilson(share: float, count: float, level: float = 0.95) -> tuple[float, float]:
    """Wilson's interval of a share among `count` trials, which need not be a whole number."""
    from scipy.special import ndtri  # quantiles of the normal distribution

    z = float(ndtri((1 + level) / 2))
    middle = (share + z**2 / (2 * count)) / (1 + z**2 / count)
    half = z / (1 + z**2 / count) * math.sqrt(share * (1 - share) / count + (z / (2 * count)) ** 2)
    return (0.0 if share == 0 else middle - half), (1.0 if share == 1 else middle + half)


def _fold_weights(fold: np.ndarray) -> np.ndarray:
    """What each pair counts in the mean of the folds' means, (P,), summing to 1."""
    _, inside, sizes = np.unique(fold, return_inverse=True, return_counts=True)
    return 1 / (len(sizes) * sizes[inside])


@dataclass(frozen=True)
class Difference:
    """Accuracy of `other` minus accuracy of `base`, on the same pairs."""

    difference: float
    interval: tuple[float, float]
    """Paired bootstrap."""
    only_base: int
    """Pairs that only `base` has right."""
    only_other: int
    """Pairs that only `other` has right."""
    p_value: float
    """McNemar's exact test, two-sided."""


def mcnemar(only_base: int, only_other: int) -> float:
    """Exact two-sided p-value: pairs on which two models disagree fall either way with chance one half."""
    from scipy.special import bdtr  # the binomial distribution function

    disagreements = only_base + only_other
    return min(1.0, 2 * float(bdtr(min(only_base, only_other), disagreements, 0.5)))


def paired_difference(
    base: np.ndarray,
    other: np.ndarray,
    fold: np.ndarray,
    *,
    level: float = 0.95,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Difference:
    """Two models' correctness (P,) bool on the same pairs, compared pair by pair.

    The interval is a percentile bootstrap: pairs are resampled within each fold, and how many of them are
    right for the one, for both or neither, or for the other model is multinomial. Gains are counted in whole
    numbers, so that as many gained as lost are 0 and not nearly 0.
    """
    generator = np.random.default_rng(seed)
    folds, sizes = np.unique(fold, return_counts=True)
    common = math.lcm(*sizes.tolist())  # a pair counts 1 / (folds * size), or common / size whole units
    units = common // sizes.astype(object)
    observed, drawn = 0, np.zeros(resamples, dtype=object)  # Python's integers, which do not overflow
    for index, unit in zip(folds, units, strict=True):
        gain = other[fold == index].astype(int) - base[fold == index].astype(int)  # -1, 0 or 1
        shares = [np.mean(gain == value) for value in (-1, 0, 1)]
        counts = generator.multinomial(len(gain), shares, size=resamples)  # (resamples, 3)
        drawn += (counts[:, 2] - counts[:, 0]).astype(object) * unit
        observed += int(gain.sum()) * unit
    low, high = np.quantile((drawn / (common * len(folds))).astype(float), [(1 - level) / 2, (1 + level) / 2])
    only_base, only_other = int(np.sum(base & ~other)), int(np.sum(other & ~base))
    return Difference(
        difference=observed / (common * len(folds)),
        interval=(float(low), float(high)),
        only_base=only_base,
        only_other=only_other,
        p_value=mcnemar(only_base, only_other),
    )


def _checked(scores: np.ndarray, genuine: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    scores, genuine = np.asarray(scores, dtype=np.float64), np.asarray(genuine, dtype=bool)
    if scores.ndim != 1 or scores.shape != genuine.shape:
        raise ValueError(f"scores {scores.shape} and genuine {genuine.shape} must be two lists of one length")
    if not np.isfinite(scores).all():
        raise ValueError(f"{np.sum(~np.isfinite(scores))} of {len(scores)} scores are not finite")
    if genuine.all() or not genuine.any():
        raise ValueError("verification needs genuine and impostor pairs; all pairs are of one kind")
    return scores, genuine
