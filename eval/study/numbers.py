"""A study's differences, pure: over seeds, and over the people that were measured.

Two things are random. Another seed would have trained other models: Student's t interval of the S seeds'
paired differences says how far that goes, for these people. Other people would have been other pairs and
searches: the interval by person says that, for these models, of each pair's (search's) gain averaged over the
seeds. An effect is one that neither explains, so the p-value of a comparison is the larger of the two. That
is no test for other seeds and other people at once: where both errors are equal, it finds 9 of 100 effects
that are not there in place of 5.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ..intervals import design_effect, difference_of_counts, few_people_factor
from ..people import People


@dataclass(frozen=True)
class Interval:
    """Of a mean difference."""

    low: float
    high: float
    p_value: float
    """Two-sided, that the difference is 0."""
    error: float
    """Its standard error, or what stands for it where few people widen the interval."""


def over_seeds(differences: Sequence[float], level: float = 0.95) -> Interval:
    """Student's t interval of the mean of S >= 2 seeds' differences.

    Where all are equal their spread is not known to be nothing: the interval is endless, unless all are 0.
    """
    from scipy.special import stdtr, stdtrit

    values = np.asarray(differences, dtype=np.float64)
    mean, freedom = float(values.mean()), len(values) - 1
    error = float(values.std(ddof=1)) / math.sqrt(len(values))
    if error == 0:
        reach = 0.0 if mean == 0 else math.inf
        return Interval(mean - reach, mean + reach, 1.0, 0.0)
    reach = float(stdtrit(freedom, (1 + level) / 2)) * error
    return Interval(mean - reach, mean + reach, float(2 * stdtr(freedom, -abs(mean) / error)), error)


def over_both(differences: Sequence[float], people_error: float, level: float = 0.95) -> tuple[float, float]:
    """An interval for other seeds and other people at once: the standard errors of both added in squares,
    Student's t of S - 1 degrees of freedom. Rather too wide: what seeds and people share is counted twice."""
    from scipy.special import stdtrit

    mean, error = float(np.mean(differences)), math.hypot(over_seeds(differences).error, people_error)
    reach = float(stdtrit(len(differences) - 1, (1 + level) / 2)) * error
    return mean - reach, mean + reach


def over_pairs(gain: np.ndarray, pairs: np.ndarray, level: float = 0.95) -> Interval:
    """Of the mean over folds of the pairs' gains (P,), each the mean over seeds of -1, 0 and 1.

    pairs: int (P, 3), fold and the two people. The variance is that of independent pairs times the design
    effect of the gains, Student's t with people - 1 degrees of freedom.
    """
    from scipy.special import ndtr, ndtri

    fold, first, second = pairs.T
    people = People(first, second, int(pairs[:, 1:].max()) + 1, True, "by number")
    weight = 1 / (len(np.unique(fold)) * np.bincount(fold)[fold])
    mean = float(weight @ gain)
    if not gain.any():
        return Interval(0.0, 0.0, 1.0, 0.0)
    variance = float(np.sum(weight**2) * np.sum(weight * (gain - mean) ** 2))
    error = math.sqrt(variance * design_effect(gain, fold, people) * few_people_factor(people, level))
    reach = float(ndtri((1 + level) / 2)) * error
    p_value = float(2 * ndtr(-abs(mean) / error)) if error else 1.0
    return Interval(mean - reach, mean + reach, p_value, error)


def over_searches(gain: np.ndarray, person: np.ndarray, level: float = 0.95) -> Interval:
    """Of the mean of the searches' gains (Q,), each the mean over seeds; person (Q,): whose they are."""
    from scipy.special import ndtri

    _, which, searches = np.unique(person, return_inverse=True, return_counts=True)
    moved = np.bincount(which, gain**2)
    found = difference_of_counts(np.bincount(which, gain), searches, level, moved=moved)
    low, high = found.interval
    return Interval(low, high, found.p_value, (high - low) / (2 * float(ndtri((1 + level) / 2))))


def holm(p_values: Mapping[str, float]) -> dict[str, float]:
    """Holm's adjustment (Scand. J. Stat. 1979): the chance that any comparison without an effect has an
    adjusted p-value of alpha or less is alpha at most, however they depend."""
    adjusted, highest = {}, 0.0
    for rank, name in enumerate(sorted(p_values, key=p_values.__getitem__)):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[name]))
        adjusted[name] = highest
    return {name: adjusted[name] for name in p_values}


def detectable(
    deviation: float, seeds: int, alpha: float, power: float = 0.8, *, people_error: float = 0.0
) -> float:
    """The smallest true mean difference that is found with chance `power`: by the paired t test of so many
    seeds, and by the test over people as well where its standard error is given.

    deviation: of one seed's difference, above 0. What is seen varies with the seeds and with the people, here
    as if each added its whole variance. Given the spread that a study happens to see, its statistic is
    normal; the chance is the mean over 4,000 equally likely spreads.
    """
    from scipy.special import gammaincinv, ndtr, ndtri, stdtrit

    freedom, seeds_error = seeds - 1, deviation / math.sqrt(seeds)
    shares = (np.arange(4000) + 0.5) / 4000
    spread = np.sqrt(2 * gammaincinv(freedom / 2, shares) / freedom)  # of chi-square over its mean, the root
    limit = float(stdtrit(freedom, 1 - alpha / 2)) * spread * seeds_error
    limit = np.maximum(limit, float(ndtri(1 - alpha / 2)) * people_error)
    error = math.hypot(seeds_error, people_error)

    def found(effect: float) -> float:
        return float(np.mean(ndtr((effect - limit) / error) + ndtr((-effect - limit) / error)))

    low, high = 0.0, deviation
    while found(high) < power:
        low, high = high, 2 * high
    for _ in range(50):  # bisection
        middle = (low + high) / 2
        low, high = (middle, high) if found(middle) < power else (low, middle)
    return high


def detectable_by_people(discordant: float, trials: float, alpha: float, power: float = 0.8) -> float:
    """The smallest true difference of two shares of the same pairs (or searches) that is found with chance
    `power`.

    discordant: the share of them that one model has right and the other has not, which no difference is above
    (then it is nan); trials: how many there are, divided by the design effect. By the normal distribution.
    """
    from scipy.special import ndtri

    found = float(ndtri(1 - alpha / 2) + ndtri(power)) * math.sqrt(discordant / trials)
    return found if found <= discordant else math.nan
