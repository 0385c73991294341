"""The Euclidean energy where no pair is fragile, with its gradient written out: what most steps compute.

In a layer of a few dozen neurons the time goes into calling torch, and in a wide one a good part goes into
passes over the (N, N) matrices. Here are fewer of both. The sums are those of energy.py, which takes over
where a pair is close or a neuron has no direction. Derivatives of any order are the written gradient's.
"""

from __future__ import annotations

import inspect
from typing import NamedTuple

import torch
from torch import Tensor

from .kernel import SHORTEST_LENGTH, close_cosine
from .matrix_products import gram_rows


class _Pairs(NamedTuple):
    """Of all pairs of N neurons; 0 on the diagonals."""

    cosines: Tensor
    energies: Tensor
    slopes: Tensor
    """d energies / d cosines."""


def closed_form_energy(neurons: Tensor, power: float, half_space: bool) -> Tensor | None:
    """The sum of f_s over ordered pairs of neurons (N, D), in half-space also with the opposites; a scalar.
    None where a pair is close, or a neuron without a direction: nothing is computed of them here.

    neurons: float32 or float64, outside autocast.
    """
    with torch.no_grad():
        values = neurons.detach()
        gram = gram_rows(values)
        squared = gram.diagonal().clone()
        scale = squared.rsqrt()
        cosines = gram.mul_(scale[:, None]).mul_(scale).fill_diagonal_(0)
        largest = (cosines.abs() if half_space else cosines).amax()
        fragile = (largest > close_cosine(neurons.dtype, power)) | (squared.amin() <= SHORTEST_LENGTH**2)
        if bool(fragile):
            return None
        pairs = _pairs(cosines, power, half_space)
    return _Energy.apply(neurons, scale, *pairs, power, half_space)  # pyright: ignore[reportReturnType]


def _pairs(cosines: Tensor, power: float, half_space: bool) -> _Pairs:
    if power == 2:
        # 1 / (2 - 2c), and with the opposite's 1 / (2 + 2c) it is 1 / (1 - c^2)
        squared = 1 - cosines.square() if half_space else torch.rsub(cosines, 2, alpha=2)
        energies = squared.reciprocal()
        slopes = 2 * energies.square()
        return _without_own(cosines, energies, slopes * cosines if half_space else slopes)
    energies, slopes = _riesz(torch.rsub(cosines, 2, alpha=2), power)
    if half_space:
        opposite, their_slopes = _riesz(torch.add(cosines.new_tensor(2.0), cosines, alpha=2), power)
        energies, slopes = energies + opposite, slopes - their_slopes
    return _without_own(cosines, energies, slopes)


def _riesz(squared: Tensor, power: float) -> tuple[Tensor, Tensor]:
    """f_s of z^2, and its derivative by the cosine, of which z^2 = 2 - 2c: Eq. (1)."""
    if power == 0:
        return -0.5 * squared.log(), squared.reciprocal()
    energies = squared.rsqrt() if power == 1 else squared.pow(-power / 2)
    return energies, power * energies / squared


def _without_own(cosines: Tensor, energies: Tensor, slopes: Tensor) -> _Pairs:
    if slopes.requires_grad:
        own = torch.eye(len(cosines), dtype=torch.bool, device=cosines.device)
        return _Pairs(cosines, energies, slopes.masked_fill(own, 0))
    return _Pairs(cosines, energies.fill_diagonal_(0), slopes.fill_diagonal_(0))


def _gradient(neurons: Tensor, scale: Tensor, cosines: Tensor, slopes: Tensor) -> Tensor:
    """(N, D): 2 / |w_i| times the sum over j of f'(c_ij) (u_j - c_ij u_i); each pair is there twice."""
    along = (slopes * cosines).sum(dim=1)
    towards = (slopes * scale) @ neurons
    return torch.addcmul(towards, (along * scale)[:, None], neurons, value=-1) * (2 * scale)[:, None]


class _Energy(torch.autograd.Function):
    @staticmethod
    def forward(  # pyright: ignore[reportIncompatibleMethodOverride]
        neurons: Tensor,
        scale: Tensor,
        cosines: Tensor,
        energies: Tensor,
        slopes: Tensor,
        power: float,
        half_space: bool,
    ) -> Tensor:
        return energies.sum()

    @staticmethod
    def setup_context(ctx, inputs: tuple, output: Tensor) -> None:
        neurons, scale, cosines, _, slopes, ctx.power, ctx.half_space = inputs
        ctx.save_for_backward(neurons, scale, cosines, slopes)

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Tensor | None, ...]:  # pyright: ignore[reportIncompatibleMethodOverride]
        neurons, scale, cosines, slopes = ctx.saved_tensors
        with torch.autocast(neurons.device.type, enabled=False):
            if (
                torch.is_grad_enabled()
            ):  # somebody differentiates this again: of the neurons, not of constants
                scale = neurons.square().sum(dim=1).rsqrt()
                cosines = (neurons @ neurons.T) * torch.outer(scale, scale)
                own = torch.eye(len(neurons), dtype=torch.bool, device=neurons.device)
                cosines = cosines.masked_fill(own, 0)
                slopes = _pairs(cosines, ctx.power, ctx.half_space).slopes
            found = gradient * _gradient(neurons, scale, cosines, slopes)
        return found, None, None, None, None, None, None


# Function.apply looks the signature up in each call, which takes longer than most of what is above.
_Energy.forward.__signature__ = inspect.signature(_Energy.forward)
