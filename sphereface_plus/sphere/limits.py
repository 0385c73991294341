"""Theorem 2 of https://arxiv.org/abs/1805.09298: how the least energy grows with the number of points.

On the sphere S^d in n = d + 1 dimensions, with the sum over ordered pairs of Eq. (1),

    epsilon_s(N) / N^2         ->  I_s(sigma^d)                                        0 < s < d
    epsilon_s(N) / (N^2 log N) ->  Gamma((d + 1)/2) / (d sqrt(pi) Gamma(d/2))          s = d, Eq. (12)
    epsilon_s(N) / N^(1 + s/d) ->  C_{s,d} / (area of S^d)^(s/d)                       s > d, Eq. (13)

The last constant is known for the circle, and conjectured for d = 2: that of the hexagonal lattice, which
nearly all points of a large configuration have around them. I_s is also the expected f_s of two independent
random points, for any number of them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch

from sphereface_plus.mhe import hyperspherical_energy

from .optimise import minimise, random_points

SETS = 20
"""Of random points in `sample`."""


def energy_integral(power: float, dimensions: int) -> float:
    """I_s of the uniform measure on the sphere in `dimensions` = d + 1 dimensions; infinite for s >= d.

    power: s; 0 gives the integral of log(1/|x - y|).
    """
    s, d = power, dimensions - 1
    if s >= d:
        return math.inf
    if s == 0:
        difference = torch.digamma(torch.tensor([d, d / 2], dtype=torch.float64))
        return float(-math.log(2) + (difference[0] - difference[1]) / 2)
    # 2^(d - s - 1) Gamma((d + 1)/2) Gamma((d - s)/2) / (sqrt(pi) Gamma(d - s/2))
    logarithm = math.lgamma((d + 1) / 2) + math.lgamma((d - s) / 2) - math.lgamma(d - s / 2)
    return math.exp((d - s - 1) * math.log(2) + logarithm) / math.sqrt(math.pi)


def growth(num_points: int, power: float, dimensions: int) -> float:
    """p(N) of Theorem 2, s > 0."""
    d = dimensions - 1
    if power == d:
        return num_points**2 * math.log(num_points)
    return float(num_points) ** (2 if power < d else 1 + power / d)


def limit(power: float, dimensions: int) -> tuple[float, str]:
    """lim epsilon_s(N) / p(N), s > 0, and what it rests on; nan where no closed form is known."""
    s, d = power, dimensions - 1
    if s < d:
        return energy_integral(s, dimensions), "Theorem 2"
    if s == d:
        return math.gamma((d + 1) / 2) / (d * math.sqrt(math.pi) * math.gamma(d / 2)), "Eq. (12)"
    if d == 1:  # a long polygon is a line: 2 zeta(s) / (2 pi / N)^s for each point
        return 2 * _zeta(s, 1) / (2 * math.pi) ** s, "regular polygon"
    if d == 2:
        # the lattice of area 1 a point, on a sphere of area 4 pi
        epstein = 6 * _zeta(s / 2, 1) * 3 ** (-s / 2) * (_zeta(s / 2, 1 / 3) - _zeta(s / 2, 2 / 3))
        return (math.sqrt(3) / 2) ** (s / 2) * epstein / (4 * math.pi) ** (s / 2), "conjectured"
    return math.nan, "unknown"


def _zeta(s: float, start: float) -> float:
    """sum_{k >= 0} (start + k)^-s."""
    return float(torch.special.zeta(torch.tensor(s, dtype=torch.float64), torch.tensor(start).double()))


class Growth(NamedTuple):
    """The least energy found of N points, against Theorem 2."""

    power: float
    num_points: int
    energy: float
    """The sum over ordered pairs."""
    ratio: float
    """energy / p(N)."""
    extrapolated: float
    """The limit that this and the previous number of points point to; nan for the first."""
    limit: float
    """The closed form; nan where none is known."""
    basis: str


def grow(
    dimensions: int, powers: Sequence[float], counts: Sequence[int], *, starts: int, seed: int
) -> Iterator[Growth]:
    """One row for each power and number of points, as they are found."""
    for power in powers:
        value, basis = limit(power, dimensions)
        before: tuple[int, float] | None = None
        for count in counts:
            energy = 2 * minimise(count, dimensions, power, starts=starts, seed=seed).pair_sum
            ahead = extrapolate(before, (count, energy), power, dimensions) if before else math.nan
            yield Growth(power, count, energy, energy / growth(count, power, dimensions), ahead, value, basis)
            before = count, energy


def extrapolate(first: tuple[int, float], second: tuple[int, float], power: float, dimensions: int) -> float:
    """The factor a of the leading term, from two pairs (N, energy).

    The least energy is a p(N) + b q(N) and what grows more slowly, with q(N) = N^(1 + s/d) for s < d, and N^2
    for s >= d (Brauchart, Hardin & Saff, 2012; in part conjectured). At s = d the ratio energy / p(N) is
    still off by b / (a log N), for which no N is large.
    """
    d = dimensions - 1
    order = 1 + power / d if power < d else 2
    terms = [[growth(n, power, dimensions), float(n) ** order] for n, _ in (first, second)]
    energies = [energy for _, energy in (first, second)]
    return float(torch.linalg.solve(*(torch.tensor(x, dtype=torch.float64) for x in (terms, energies)))[0])


class Sampled(NamedTuple):
    """The mean pair energy of random points, against I_s."""

    dimensions: int
    power: float
    mean: float
    standard_error: float
    integral: float


def sample(
    dimensions: Sequence[int], powers: Sequence[float], *, num_points: int, seed: int
) -> Iterator[Sampled]:
    """SETS sets of `num_points` independent uniform points in each number of dimensions, where I_s is finite.

    The pairs of one set are dependent, the sets are not: the standard error is that of the sets.
    """
    for n in dimensions:
        sets = [random_points(num_points, n, seed, index) for index in range(SETS)]
        for power in powers:
            integral = energy_integral(power, n)
            if integral < math.inf:
                means = torch.stack([hyperspherical_energy(points, power=power) for points in sets])
                yield Sampled(n, power, float(means.mean()), float(means.std() / SETS**0.5), integral)
