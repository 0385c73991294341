"""Known minima: what an optimisation of points on a sphere can be compared with.

Energies are sums over unordered pairs i < j, as in the literature: half of Eq. (1) of
https://arxiv.org/abs/1805.09298. In half-space the 2N points u_i, -u_i count. Power infinity is the Tammes
problem, and its number is the largest smallest angle, in degrees.

Sources. "proven": a configuration that minimises every completely monotone function of the squared distance,
hence every power (Cohn & Kumar, J. AMS 20, 2007), or an argument in a comment. "Thomson table": the Cambridge
Cluster Database's global minima. "re-optimised": no published table was found; L-BFGS from 60 to 120 random
starts, whose results for power 1 agree with the Thomson table to 1e-9. "Sloane": Sloane's tables of spherical
codes.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch

from sphereface_plus.mhe.kernel import Distance, riesz

Shells = list[tuple[float, int]]


class Known(NamedTuple):
    """A number from outside: the energy of pairs i < j, or for power infinity an angle in degrees."""

    value: float
    source: str
    proven: bool


# On the sphere in three dimensions, N = 2, 3, ...; proven for power 1: 2 to 6 and 12.
THOMSON = (
    0.500000000, 1.732050808, 3.674234614, 6.474691495, 9.985281374, 14.452977414, 19.675287861, 25.759986531,
    32.716949460, 40.596450508, 49.165253058, 58.853230612, 69.306363297, 80.670244114, 92.911655303,
    106.050404829, 120.084467447, 135.089467557, 150.881568334, 167.641622399, 185.287536149, 203.930190663,
    223.347074052, 243.812760299, 265.133326317, 287.302615033, 310.491542358, 334.634439920, 359.603945904,
    385.530838063, 412.261274651, 440.204057448, 468.904853281, 498.569872491, 529.122408375, 560.618887731,
    593.038503566, 626.389009017, 660.675278835, 695.916744342, 732.078107544, 769.190846459, 807.174263085,
    846.188401061, 886.167113639, 927.059270680, 968.713455344, 1011.557182654, 1055.182314726,
)  # fmt: skip
LOGARITHMIC = (
    -0.693147181, -1.647918433, -2.942487759, -4.420507155, -6.238324625, -8.182477864, -10.428017781,
    -12.887752726, -15.563123389, -18.420479721, -21.606145230, -24.866721876, -28.407813009, -32.147876284,
    -36.106152162, -40.273066961, -44.650287259, -49.199891566, -54.011129975, -59.000912135, -64.206007762,
    -69.578382593, -75.213984789, -80.997509990, -87.009423057, -93.251986400, -99.658609384, -106.254571171,
    -113.089255497, -120.110346640, -127.378867615,
)  # fmt: skip
INVERSE_SQUARE = (
    0.25, 1.0, 2.25, 4.25, 6.75, 10.25, 14.336791084, 19.252868784, 25.041359722, 31.834721637, 39.0,
    47.773308981, 57.121208598, 67.486184735, 78.772649031, 91.047319314, 104.314685285, 118.825563649,
    133.936978568,
)  # fmt: skip
TAMMES = (
    180.0, 120.0, 109.4712206, 90.0, 90.0, 77.8695421, 74.8584922, 70.5287794,
    66.1468220, 63.4349488, 63.4349488, 57.1367031, 55.6705700, 53.6578501, 52.2443957, 51.0903285,
    49.5566548, 47.6919141, 47.4310362, 45.6132231, 44.7401612, 43.7099642, 43.6907671, 41.6344612,
    41.0376616, 40.6776007, 39.3551436, 38.7136512, 38.5971159, 37.7098291, 37.4752140,
)  # fmt: skip
# Outside the runs of consecutive N above.
SPORADIC = {
    (72, 1.0): 2255.001190975, (100, 1.0): 4448.350634331,
    (33, 0.0): -134.747820824, (46, 0.0): -249.455847901,
    (24, 2.0): 205.658437998, (32, 2.0): 401.5,
}  # fmt: skip
_TABLES = {
    0.0: (LOGARITHMIC, "re-optimised"),
    1.0: (THOMSON, "Thomson table"),
    2.0: (INVERSE_SQUARE, "re-optimised"),
    math.inf: (TAMMES, "Sloane"),
}

_PHI = (1 + math.sqrt(5)) / 2


def known_minimum(
    num_points: int,
    dimensions: int,
    power: float,
    *,
    distance: Distance = "euclidean",
    half_space: bool = False,
) -> Known | None:
    """The least energy of N points in `dimensions` dimensions, or the best that is known; None: nothing is.

    power: s >= 0 of f_s, 0 for the logarithm; infinity for the largest smallest angle in degrees.
    """
    shells = _optimal_shells(num_points, dimensions, half_space)
    # On the circle, for two points and for orthonormal neurons it is enough that f_s of the angle is convex.
    angles_too = dimensions == 2 or num_points == 2 or (half_space and num_points <= dimensions)
    if power == math.inf:
        if shells is not None:
            return Known(_angle(min(squared for squared, _ in shells)), "proven", True)
        # Rankin 1955: from n + 2 to 2n points the largest smallest angle is a right angle
        if not half_space and dimensions + 2 <= num_points <= 2 * dimensions:
            return Known(90.0, "proven", True)
    elif shells is not None and (distance == "euclidean" or angles_too):
        squared = torch.tensor([squared for squared, _ in shells], dtype=torch.float64)
        neighbours = torch.tensor([count for _, count in shells], dtype=torch.float64)
        if distance == "angular":
            squared = (2 * (squared.sqrt() / 2).clamp_max(1).arcsin()).square()
        count = (2 if half_space else 1) * num_points
        return Known(float(count / 2 * (neighbours * riesz(squared, power)).sum()), "proven", True)
    if dimensions == 3 and not half_space and (distance == "euclidean" or power == math.inf):
        return _tabulated(num_points, power)
    return None


def _tabulated(num_points: int, power: float) -> Known | None:
    if power not in _TABLES:
        return None
    table, source = _TABLES[power]
    if num_points - 2 < len(table):
        # Schuette & van der Waerden, Danzer, Musin & Tarasov, Robinson: Tammes for up to 14 points and for 24
        proven = power == math.inf and (num_points <= 14 or num_points == 24)
        proven = proven or (power < math.inf and num_points == 5)  # Schwartz 2016: up to power 15
        return Known(table[num_points - 2], source, proven)
    value = SPORADIC.get((num_points, power))
    return None if value is None else Known(value, source, False)


def _optimal_shells(num_points: int, dimensions: int, half_space: bool) -> Shells | None:
    """(squared distance, neighbours of each point at it) of a configuration optimal for every power."""
    if not half_space:
        return _universal_shells(num_points, dimensions)
    # A universally optimal configuration of 2N points that is its own mirror image is also the best such one.
    # Up to N = n: the two terms f(2 - 2c) + f(2 + 2c) of each pair are convex and even in its cosine c, so
    # that orthonormal neurons, a cross-polytope with its opposites, are best.
    dimensions = min(num_points, dimensions)
    shells = _universal_shells(2 * num_points, dimensions)
    return shells if shells is not None and shells[-1] == (4.0, 1) else None


def _universal_shells(num_points: int, dimensions: int) -> Shells | None:
    n = num_points
    if dimensions == 1:
        return [(4.0, 1)] if n == 2 else None
    if n <= dimensions + 1:  # simplex
        return [(4.0, 1)] if n == 2 else [(2 * n / (n - 1), n - 1)]
    if dimensions == 2:  # regular polygon
        shells = [((2 * math.sin(math.pi * k / n)) ** 2, 2) for k in range(1, (n + 1) // 2)]
        return shells if n % 2 else [*shells, (4.0, 1)]
    if n == 2 * dimensions:  # cross-polytope
        return [(2.0, n - 2), (4.0, 1)]
    if (n, dimensions) == (12, 3):  # icosahedron
        return [(2 - 2 / math.sqrt(5), 5), (2 + 2 / math.sqrt(5), 5), (4.0, 1)]
    if (n, dimensions) == (120, 4):  # 600-cell
        return [(2 - _PHI, 12), (1.0, 20), (3 - _PHI, 12), (2.0, 30), (1 + _PHI, 12), (3.0, 20),
                (2 + _PHI, 12), (4.0, 1)]  # fmt: skip
    if (n, dimensions) == (240, 8):  # roots of E8
        return [(1.0, 56), (2.0, 126), (3.0, 56), (4.0, 1)]
    return None


def _angle(squared_distance: float) -> float:
    return math.degrees(2 * math.asin(min(1.0, math.sqrt(squared_distance) / 2)))
