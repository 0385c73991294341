"""Maximum hyperspherical separation (MHS): the smallest distance of two neurons, as large as it can be.

Liu et al., "Learning with Hyperspherical Uniformity", AISTATS 2021, https://arxiv.org/abs/2103.01649. This is
the Tammes problem, and the limit of the hyperspherical energy as its power grows: (E_s)^(-1/s) tends to the
smallest distance.
"""

from __future__ import annotations

import torch
from torch import Tensor

from .energy import PAIRS_AT_ONCE
from .kernel import Distance, at_least_float32, check_neurons, directions
from .objective import mirrored


def negative_separation(
    weight: Tensor, *, distance: Distance = "euclidean", squared: bool = False, half_space: bool = False
) -> Tensor:
    """-min_{i<j} rho(u_i, u_j), u the directions of `weight`'s rows (N, D), N >= 2: a scalar to be minimised.

    distance: rho is the chord |u_i - u_j| or the angle in radians. squared: take its square, as the released
        code does with the chord: its coefficient is then that of this function.
    half_space: of the 2N points u_i, -u_i. Each pair ties with its mirror image; the released code adds both,
        so that its coefficient is half of this function's.

    Only the closest two neurons get a gradient, the first such pair where several are equally close; two
    that coincide get none. Computed outside autocast, in float32 at least, in slabs of rows as the energy is.
    """
    check_neurons("weight", weight, power=0, distance=distance)
    if len(weight) < 2:
        raise ValueError(f"separation needs at least two neurons, got weight of shape {tuple(weight.shape)}")
    with torch.autocast(weight.device.type, enabled=False):
        units = directions(at_least_float32(weight))
        points = mirrored(units) if half_space else units
        first, second = points.index_select(0, _closest_pair(points.detach()))
        closest = (first - second).square().sum()
        if distance == "angular":
            # exact near 0, where arccos is not; a zero vector is orthogonal to all, as in the energies
            closest = (2 * torch.atan2(_root(closest), _root((first + second).square().sum()))).square()
        return -closest if squared else -_root(closest)


def _closest_pair(points: Tensor) -> Tensor:
    """(M, D) unit rows -> (2,): the indices of the pair with the largest cosine."""
    num_points = len(points)
    rows = max(1, PAIRS_AT_ONCE // num_points)
    best_cosine, best_pair = [], []
    for start in range(0, num_points, rows):
        cosine = points[start : start + rows] @ points.T  # (rows, M)
        cosine.diagonal(start).fill_(-torch.inf)
        value, index = cosine.flatten().max(dim=0)
        best_cosine.append(value)
        best_pair.append(torch.stack([start + index // num_points, index % num_points]))
    return torch.stack(best_pair).index_select(0, torch.stack(best_cosine).argmax(keepdim=True)).flatten()


def _root(squared: Tensor) -> Tensor:
    """Square root with a gradient of 0 at 0, where two neurons coincide and no direction is better."""
    positive = squared > 0
    return squared.where(positive, 1).sqrt().where(positive, 0)
