"""The kernel f_s of a pair of neurons, and the numerics that every energy here shares.

A neuron enters through its direction. The distance z of two directions u, v at angle theta is the chord
|u - v| or the angle itself (Eq. 5), and f_s(z) = z^-s, with f_0(z) = log(1/z) (Eq. 1). The code works on z^2.

What is fragile, and what is done about it:

* Small distances. 2 - 2 cos(theta) comes out of one matrix product, but loses its digits where directions
  nearly coincide: in float32 it is wrong by some 10 % at a distance of 0.001, and its gradient is a
  difference of huge, almost equal numbers. So the energies take the matrix product for most pairs and list
  the few close ones, whose distance is the length of the difference u - v. The angle of close and of nearly
  opposite pairs is 2 atan2(|u - v|, |u + v|), exact at both ends, where arccos is not.
* Coincident neurons. Below `floor_of` the kernel goes on along its tangent in z^2, so that value and gradient
  stay finite. The floor is where f_s and its derivative would leave the number range: z = 2e-8 for s = 2 in
  float32, less than the rounding of a direction. At the powers in use no normal distance is distorted.
* Opposite neurons. Their angle is at its maximum, a kink; the gradient is taken as 0.
* Zero vectors. A neuron shorter than 1e-12 has no direction. It counts as orthogonal to all others and gets
  no gradient.
* Reduced precision. The energies leave autocast and compute in float32 at least. TF32 (off in torch unless
  somebody turns it on) would be too coarse for the cosines, too.
"""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor

Distance = Literal["euclidean", "angular"]

SHORTEST_LENGTH = 1e-12


def check_neurons(name: str, neurons: Tensor, power: float, distance: str) -> None:
    """Raise ValueError unless `neurons` is floating and (N, D), and f_s is defined for power and distance."""
    if neurons.ndim != 2 or not neurons.is_floating_point():
        raise ValueError(
            f"{name} must be a floating-point tensor (N, D), one neuron a row; "
            f"got {neurons.dtype} of shape {tuple(neurons.shape)}"
        )
    if not (math.isfinite(power) and power >= 0):
        raise ValueError(f"power must be a finite number >= 0, got {power}")
    if distance not in ("euclidean", "angular"):
        raise ValueError(f"distance must be 'euclidean' or 'angular', got {distance!r}")


def at_least_float32(neurons: Tensor) -> Tensor:
    """float64 stays, everything shorter becomes float32."""
    return neurons if neurons.dtype == torch.float64 else neurons.float()


def lengths_of(neurons: Tensor) -> Tensor:
    """(N, D) -> (N, 1): |w|; infinity for a neuron without a direction, so that dividing by it gives 0."""
    lengths = torch.linalg.vector_norm(neurons, dim=1, keepdim=True)
    return lengths.masked_fill(lengths <= SHORTEST_LENGTH, math.inf)


def directions(neurons: Tensor) -> Tensor:
    """(N, D) -> (N, D): w/|w|, differentiable; 0, with a gradient of 0, for a neuron without a direction."""
    return neurons / lengths_of(neurons)


def floor_of(dtype: torch.dtype, power: float) -> float:
    """The z^2 at which z^-(s+2), the order of d f_s / d z^2, is the 0.8th power of the largest number."""
    return torch.finfo(dtype).max ** (-1.6 / (power + 2))


def close_cosine(dtype: torch.dtype, power: float) -> float:
    """Pairs of a larger cosine (for angles: of larger magnitude) are computed from their differences.

    At 0.98 the error of 2 - 2 cos in float32 is below 1e-5 of it. Pairs below the floor, which powers above
    40 raise beyond that, are always among them.
    """
    return 1 - max(0.04, floor_of(dtype, power)) / 2


def squared_distance(cosine: Tensor, distance: Distance) -> Tensor:
    """z^2 of directions that are not close (nor, for angles, nearly opposite)."""
    if distance == "angular":
        return cosine.arccos().square()
    return torch.rsub(cosine, 2, alpha=2)  # 2 - 2 cos in one pass


def riesz(squared: Tensor, power: float, *, relaxed: bool = False) -> Tensor:
    """f_s(z) of z^2, Eq. (1); relaxed: log f_s(z), Eq. (3)."""
    if relaxed:
        return (-power / 2) * squared.log()
    if power == 0:
        return -0.5 * squared.log()
    if power == 1:
        return squared.rsqrt()
    if power == 2:
        return squared.reciprocal()
    return squared.pow(-power / 2)


def close_riesz(
    left: Tensor, right: Tensor, power: float, distance: Distance, *, relaxed: bool = False
) -> Tensor:
    """f_s of the distances of `left` and `right`, row by row: (P, D), (P, D) -> (P,).

    Exact at small distances (for angles: and near pi), finite with a finite gradient at any.
    """
    floor = floor_of(left.dtype, power)
    gap = (left - right).square().sum(dim=1)
    above = gap.clamp_min(floor)
    squared = above
    if distance == "angular":
        total = (left + right).square().sum(dim=1).clamp_min(floor)  # at the kink: no gradient
        squared = (2 * torch.atan2(above.sqrt(), total.sqrt())).square().clamp_min(floor)
    # -d f_s / d z^2 at the floor: s/2 floor^-(s/2 + 1), 1/2 floor^-1 for f_0, s/2 floor^-1 for log f_s
    slope = 0.5 * (power or 1) * floor ** (-1 if relaxed else -1 - power / 2)
    return riesz(squared, power, relaxed=relaxed) + slope * (floor - gap).clamp_min(0)
