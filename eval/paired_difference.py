"""The difference of two models' accuracies on the same pairs: a paired bootstrap and McNemar's test.

Shapes: P pairs. A person in many pairs errs in many at once: pairs then count as fewer (intervals.py).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from sphereface_plus.data import streams

from .intervals import design_effect, few_people_factor
from .people import People

RESAMPLES = 10_000


@dataclass(frozen=True)
class Difference:
    """Accuracy of `other` minus accuracy of `base`, on the same pairs."""

    difference: float
    interval: tuple[float, float]
    """Paired bootstrap, wider by what people share."""
    only_base: int
    """Pairs that only `base` has right."""
    only_other: int
    """Pairs that only `other` has right."""
    p_value: float
    """McNemar's test of counts that are divided by the design effect and the factor of few people."""
    mcnemar_p_value: float
    """McNemar's exact test, of independent pairs; the same where nobody is in two pairs."""
    design_effect: float
    """Of the pairs' differences -1, 0 and 1."""


def mcnemar(only_base: int, only_other: int, effect: float = 1.0) -> float:
    """Two-sided p-value: pairs on which two models disagree fall either way with chance one half.

    Exact for independent pairs. Otherwise both counts are divided by `effect`, and the binomial distribution
    function is continued between whole numbers as the incomplete beta function that it is.
    """
    from scipy.special import betainc

    fewer, more = sorted((only_base / effect, only_other / effect))
    return 1.0 if more == 0 else min(1.0, 2 * float(betainc(more, fewer + 1, 0.5)))


def paired_difference(
    base: np.ndarray,
    other: np.ndarray,
    fold: np.ndarray,
    people: People | None = None,
    *,
    level: float = 0.95,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Difference:
    """Two models' correctness (P,) bool on the same pairs, compared pair by pair.

    The interval is a percentile bootstrap: pairs are resampled within each fold, and how many of them are
    right for the one, for both or neither, or for the other model is multinomial. Gains are counted in whole
    numbers, so that as many gained as lost are 0 and not nearly 0. Its ends' distances from the difference
    are then multiplied by sqrt(design effect x factor of few people), which for many pairs is to divide their
    number by it. people: who is on the pairs; None where they count as independent.
    """
    generator = streams.generator(seed, streams.RESAMPLED_PAIRS)
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
    difference = observed / (common * len(folds))
    effect, widening = 1.0, 1.0
    if people is not None:
        effect = design_effect(other.astype(int) - base.astype(int), fold, people)
        widening = effect * few_people_factor(people, level)
    if widening > 1:  # else the ends stay as they are counted, to the last bit
        low, high = (difference + math.sqrt(widening) * (end - difference) for end in (low, high))
    only_base, only_other = int(np.sum(base & ~other)), int(np.sum(other & ~base))
    return Difference(
        difference=difference,
        interval=(max(-1.0, float(low)), min(1.0, float(high))),
        only_base=only_base,
        only_other=only_other,
        p_value=mcnemar(only_base, only_other, widening),
        mcnemar_p_value=mcnemar(only_base, only_other),
        design_effect=effect,
    )
