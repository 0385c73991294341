"""The least energy of N points on a sphere, as far as L-BFGS from random and antipodal starts finds it.

That many starts agree proves nothing. Of 100 random starts of 24 points in R^4 (s = 1) 93 end at
208.35166, where the 24-cell, to which every antipodal start leads, has 208.33731. Of 10 points in R^4
(s = 1.9) one random start in ten ends at 23.24236, the others at 23.24488. Antipodal starts alone would be
worse: with 14 points on the sphere in R^3 they end at 69.342, random ones at 69.306.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import count, takewhile

import torch
from torch import Tensor

from sphereface_plus.errors import UserError
from sphereface_plus.mhe import hyperspherical_energy, negative_separation
from sphereface_plus.mhe.kernel import Distance, directions, floor_of
from sphereface_plus.mhe.objective import mirrored, random_normal

STEEP = 8.0
"""Above this power the energy of random points is all one pair's, and a descent is begun at lower powers."""


class PointsError(UserError):
    """Points that have no arrangement of least energy."""


@dataclass(frozen=True)
class Configuration:
    """The best points found, and what the other starts ended with."""

    points: Tensor
    """(N, n) unit rows, float64."""
    pair_sum: float
    """The sum of f_s over pairs i < j, in half-space of the 2N points; for power infinity the smallest angle
    in degrees."""
    of_starts: list[float]
    """The same number for each random start, in order."""
    of_antipodal_starts: list[float]
    """The same for the antipodal ones, of an even number of points without half-space."""


def minimise(
    num_points: int,
    dimensions: int,
    power: float,
    *,
    distance: Distance = "euclidean",
    half_space: bool = False,
    starts: int | None = None,
    seed: int = 0,
    progress: Callable[[int], None] = lambda done: None,
) -> Configuration:
    """The configuration of the least energy of Eq. (1), or (5), from random starts and some antipodal ones.

    power: s >= 0; infinity is the Tammes problem, the largest smallest distance.
    half_space: the energy of the 2N points u_i, -u_i (section 3.4).
    starts: random ones (default: random_starts); antipodal_starts says how many others there are.
    progress: called with the number of starts that are done, of both kinds.
    Raises PointsError for a problem that is none.
    """
    if num_points < (1 if half_space else 2):
        raise PointsError(f"an energy needs at least two points, got {num_points}")
    if num_points < 2 and power == math.inf:
        raise PointsError("one point and its opposite have no smallest angle to enlarge")
    if dimensions < 2:
        raise PointsError(f"a sphere needs at least two dimensions, got {dimensions}")
    if power == math.inf and distance == "angular":
        raise PointsError("the Tammes problem is the same for both distances: leave the distance euclidean")
    if starts is None:
        starts = random_starts(dimensions)
    if starts < 1:
        raise PointsError(f"starts must be at least 1, got {starts}")
    if not power >= 0:
        raise PointsError(f"power must be a number >= 0, or inf, got {power}")

    found: list[tuple[float, Tensor]] = []
    antipodal = antipodal_starts(num_points, starts, half_space)
    for start in range(starts + antipodal):
        if start < starts:
            points = random_points(num_points, dimensions, seed, start)
        else:
            points = mirrored(random_points(num_points // 2, dimensions, seed, start))
        if power == math.inf:
            first = (5, 7, 9)[start % 3]  # from lower ones, N = 10, 13, 14, 15, 17 end in a worse optimum
            for exponent in range(first, 21):
                points = descend(partial(soft_separation, power=2.0**exponent, half_space=half_space), points)
            angle = -negative_separation(points, distance="angular", half_space=half_space)
            value = math.degrees(angle.item())
        else:
            value, points = least_energy(points, power, distance, half_space)
        found.append((value, points))
        progress(start + 1)

    best = min if power < math.inf else max
    value, points = best(found, key=lambda pair: pair[0])
    values = [value for value, _ in found]
    return Configuration(points, value, values[:starts], values[starts:])


def random_starts(dimensions: int) -> int:
    """How many are taken if nothing is said: in more than three dimensions the best end may be a rare one."""
    return 10 if dimensions <= 3 else 30


def antipodal_starts(num_points: int, starts: int, half_space: bool) -> int:
    """One for every five random starts, at least one; none where half-space gives each point its opposite."""
    return 0 if half_space or num_points % 2 else math.ceil(starts / 5)


def least_energy(points: Tensor, power: float, distance: Distance, half_space: bool) -> tuple[float, Tensor]:
    """The energy of pairs at the end of a descent from `points` (N, n), and the points there.

    Raises PointsError where it is out of the range of numbers.
    """
    energy = partial(hyperspherical_energy, power=power, distance=distance, half_space=half_space)
    if power > STEEP and distance == "euclidean":
        for soft_power in powers_up_to(power):
            points = descend(partial(soft_separation, power=soft_power, half_space=half_space), points)
    else:
        points = descend(energy, points)
    nearest = -negative_separation(points, distance=distance, half_space=half_space) if len(points) > 1 else 1
    if nearest**2 <= floor_of(points.dtype, power):  # nearer than that the kernel is its tangent
        raise PointsError(
            f"power {power:g}: the energy leaves the range of numbers; inf is the limit, the largest "
            "smallest distance"
        )
    num_points = (2 if half_space else 1) * len(points)
    return energy(points).item() * num_points * (num_points - 1) / 2, points


def powers_up_to(power: float) -> list[float]:
    """STEEP, twice that, and so on, and last `power` itself."""
    below = takewhile(lambda s: s < power, (STEEP * 2.0**k for k in count()))
    return [*below, power]


def random_points(num_points: int, dimensions: int, seed: int, start: int) -> Tensor:
    """(N, n) independent uniform points, float64; a function of the arguments."""
    return directions(random_normal((num_points, dimensions), seed, start).double())


def descend(objective: Callable[[Tensor], Tensor], points: Tensor) -> Tensor:
    """(N, n) -> (N, n) unit rows: L-BFGS until it stops. The objective depends on directions only."""
    weight = points.clone().requires_grad_()
    optimizer = torch.optim.LBFGS(
        [weight],
        max_iter=1000,
        tolerance_grad=1e-10,
        tolerance_change=1e-15,
        history_size=20,
        line_search_fn="strong_wolfe",
    )

    def closure() -> Tensor:
        optimizer.zero_grad()
        value = objective(weight)
        value.backward()
        return value

    optimizer.step(closure)  # pyright: ignore[reportArgumentType]
    return directions(weight.detach())


def soft_separation(weight: Tensor, *, power: float, half_space: bool) -> Tensor:
    """(1/s) log sum_{i<j} |u_i - u_j|^-s: tends to -log of the smallest distance as s grows.

    It is above that by (log of the number of contacts) / s. E_s itself would leave the number range.
    """
    units = directions(weight)
    points = mirrored(units) if half_space else units
    rows, columns = torch.triu_indices(len(points), len(points), offset=1)
    squared = (points[rows] - points[columns]).square().sum(dim=1)
    return torch.logsumexp(-power / 2 * squared.log(), dim=0) / power
