"""What a run logs beside the energy: the smallest angle, and the part of a gradient that turns the neurons.

The trap. Only a neuron's direction enters the energy, so only the part of a gradient that is orthogonal to
the neuron, the tangential part, does anything to it. Near uniformity the force between unit neurons is
almost purely radial: for 10,572 random prototypes of 512 dimensions and a batch of 256, the gradient of
Eq. (8) with respect to the unit vectors has a row norm of 2.0e-3, of which 2.0e-5 is tangential. A norm taken
without projecting overstates the effect of MHE a hundredfold, and weights lambda_M compared by it mean
nothing.

The energies of this package normalise inside the graph, so their gradient with respect to the raw neurons is
tangential already (and divided by the neuron's length, as is every gradient that passes through the
direction). A classification loss that does not normalise its prototypes has a radial part, too. To log the
two side by side, take the norms of

    tangential(gradient_of_the_classification_loss, prototypes)    and    lambda_M * gradient_of_the_energy

The energy's graph holds nothing but the prototypes: a `torch.autograd.grad` of it alone is not a second pass
through the network. Call it once and add the result, since a second backward through the same energy computes
it again.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from .kernel import at_least_float32, check_neurons, directions


@torch.no_grad()
def smallest_angle(weight: Tensor, *, chunk_size: int = 4096) -> float:
    """The smallest angle between two rows of `weight` (N, D), N >= 2, in radians.

    Streams over pairs of chunks: chunk_size^2 cosines in memory, N^2 D / 2 multiply-adds in all. The pair of
    the largest cosine is found in float32 (float64 for a float64 weight), and its angle is taken from the
    vectors, in float64, since arccos has no digits left near 0. A zero row counts as orthogonal to all; where
    a number is not finite, the angle is nan.
    """
    check_neurons("weight", weight, power=0, distance="angular")
    if len(weight) < 2:
        raise ValueError(f"an angle needs at least two neurons, got weight of shape {tuple(weight.shape)}")
    if chunk_size < 1:
        raise ValueError(f"chunk_size must be at least 1, got {chunk_size}")
    if not bool(torch.isfinite(weight).all()):
        return math.nan
    with torch.autocast(weight.device.type, enabled=False):
        units = directions(at_least_float32(weight))
        largest, pair = -torch.inf, (0, 0)
        for top in range(0, len(units), chunk_size):
            for left in range(top, len(units), chunk_size):
                cosine = units[top : top + chunk_size] @ units[left : left + chunk_size].T
                if left == top:
                    cosine.fill_diagonal_(-torch.inf)
                value, index = cosine.flatten().max(dim=0)
                if value > largest:
                    row, column = divmod(int(index), cosine.shape[1])
                    largest, pair = value, (top + row, left + column)
        first, second = directions(weight[list(pair)].double())
        return float(2 * torch.atan2((first - second).norm(), (first + second).norm()))


@torch.no_grad()
def tangential(gradient: Tensor, weight: Tensor) -> Tensor:
    """The part of each row of `gradient` (N, D) that is orthogonal to the same row of `weight` (N, D).

    A zero row of `weight` has no direction, so that row of the gradient is returned whole.
    """
    if gradient.shape != weight.shape:
        raise ValueError(
            f"gradient and weight must have the same shape, "
            f"got {tuple(gradient.shape)} and {tuple(weight.shape)}"
        )
    units = directions(at_least_float32(weight))
    return gradient - (gradient * units).sum(dim=1, keepdim=True) * units


def tangential_norm(gradient: Tensor, weight: Tensor, *, chunk_size: int = 4096) -> Tensor:
    """The norm of `tangential(gradient, weight)`, a float64 scalar; nothing of the size of both is made."""
    squared = torch.zeros((), dtype=torch.float64, device=gradient.device)
    for some, rows in zip(gradient.split(chunk_size), weight.split(chunk_size), strict=True):
        squared += tangential(some, rows).square().sum(dtype=torch.float64)
    return squared.sqrt()
