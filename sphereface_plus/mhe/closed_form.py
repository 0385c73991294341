"""The Euclidean energy where no pair is fragile, with its gradient written out: what most steps compute.

In a layer of a few dozen neurons the time goes into calling torch, and in a wide one a good part goes into
passes over (N, N) and (N, D). Here are fewer of both: the gradient is one product, of an (N, N) matrix and
the neurons, and all layers of a model are one node of the graph. The sums are those of energy.py, which takes
over where a pair is close or a neuron has no direction. Derivatives of any order are the written gradient's.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from .kernel import SHORTEST_LENGTH, close_cosine, riesz
from .matrix_products import gram_rows


@dataclass(frozen=True)
class Form:
    """Which energy of a set of neurons."""

    power: float
    half_space: bool
    reduction: Literal["mean", "sum"] = "mean"

    @property
    def own(self) -> float:
        """f_s of a neuron and its own opposite, at a distance of 2: a constant of half-space."""
        if not self.half_space:
            return 0.0
        return -math.log(2) if self.power == 0 else 2.0**-self.power

    def factor(self, count: int) -> float:
        """Of the sum over a neuron's pairs with others and their opposites: in half-space opposites have the
        same, and the mean divides by the number of ordered pairs."""
        points = (2 if self.half_space else 1) * count
        return (points / count) / (points * (points - 1) if self.reduction == "mean" else 1)


def closed_form_energies(layers: Sequence[Tensor], form: Form) -> list[Tensor | None]:
    """The energies of several layers' neurons, each (N, D), N > 1; scalars. None for a layer with a close
    pair or a neuron without a direction: nothing more is computed of it here.

    layers: float32 or float64, whatever autocast is on.
    """
    energies: list[Tensor | None] = []
    learnt, neurons, totals, matrices = [], [], [], []
    with_graph = torch.is_grad_enabled()
    with torch.no_grad():
        pairs = [_cosines(layer.detach()) for layer in layers]
        for layer, (scale, cosines), fragile in zip(layers, pairs, _are_fragile(pairs, form), strict=True):
            energy, matrix = None, None
            if not fragile:
                energy, matrix = _of_layer(scale, cosines, form, with_graph and layer.requires_grad)
            energies.append(energy)
            if energy is not None and matrix is not None:
                learnt.append(len(energies) - 1)
                neurons.append(layer)
                totals.append(energy)
                matrices.append(matrix)
    if learnt:
        found = _Energies.apply(form, *neurons, *totals, *matrices)
        for place, energy in zip(learnt, found, strict=True):  # pyright: ignore[reportArgumentType]
            energies[place] = energy
    return energies


def _cosines(neurons: Tensor) -> tuple[Tensor, Tensor]:
    """1 / |w| (N,), and the cosines (N, N) with 0 in the diagonal."""
    with _without_autocast(neurons):
        gram = gram_rows(neurons)
    scale = gram.diagonal().rsqrt()
    return scale, gram.mul_(scale[:, None]).mul_(scale).fill_diagonal_(0)


def _are_fragile(pairs: Sequence[tuple[Tensor, Tensor]], form: Form) -> list[bool]:
    """Whether a layer has a close pair or a neuron without a direction. A GPU is waited for once for all."""
    numbers = [number for scale, cosines in pairs for number in (*cosines.aminmax(), scale.amax())]
    if not numbers:
        return []
    here = numbers[0].device  # a model may lie on several
    found = iter(torch.stack([number.to(here) for number in numbers]).tolist())
    fragile = []
    for scale, _ in pairs:
        farthest, nearest, longest = next(found), next(found), next(found)
        if form.half_space:
            nearest = max(nearest, -farthest)
        fragile.append(nearest > close_cosine(scale.dtype, form.power) or longest >= 1 / SHORTEST_LENGTH)
    return fragile


def _of_layer(
    scale: Tensor, cosines: Tensor, form: Form, needs_gradient: bool
) -> tuple[Tensor, Tensor | None]:
    """The energy, and the matrix (N, N) that times the neurons is its gradient; None where it has none."""
    energies, slopes = _pairs(cosines, form)
    count = len(scale)
    factor = form.factor(count)
    energy = torch.add(count * form.own * factor, energies.fill_diagonal_(0).sum(), alpha=factor)
    if not needs_gradient:
        return energy, None
    return energy, _gradient_matrix(scale, cosines, slopes.fill_diagonal_(0), factor)


def _pairs(cosines: Tensor, form: Form) -> tuple[Tensor, Tensor]:
    """(N, N): energies of all pairs, in half-space with those of the opposites, and half their derivatives by
    the cosines."""
    if form.power == 2:
        # 1 / (2 - 2c), and with the opposite's 1 / (2 + 2c) it is 1 / (1 - c^2)
        squared = 1 - cosines.square() if form.half_space else torch.rsub(cosines, 2, alpha=2)
        energies = squared.reciprocal()
        slopes = energies.square()
        return energies, slopes * cosines if form.half_space else slopes
    energies, slopes = _with_slope(torch.rsub(cosines, 2, alpha=2), form.power)
    if form.half_space:
        opposite, their_slopes = _with_slope(torch.rsub(cosines, 2, alpha=-2), form.power)
        energies, slopes = energies + opposite, slopes - their_slopes
    return energies, slopes


def _with_slope(squared: Tensor, power: float) -> tuple[Tensor, Tensor]:
    """f_s of z^2 = 2 - 2c, and half its derivative by the cosine c."""
    energies = riesz(squared, power)
    return energies, 0.5 * squared.reciprocal() if power == 0 else (power / 2) * energies / squared


def _gradient_matrix(scale: Tensor, cosines: Tensor, slopes: Tensor, factor: float) -> Tensor:
    """(N, N), which times the neurons (N, D) is the gradient: 2 / |w_i| times the sum over j of
    f'(c_ij) (u_j - c_ij u_i), u = w / |w|; each pair is there twice. slopes: f' / 2."""
    along = (slopes * cosines).sum(dim=1)
    matrix = slopes * scale
    matrix.diagonal().sub_(along * scale)
    return matrix * (4 * factor * scale)[:, None]


class _Energies(torch.autograd.Function):
    """tensors: of L layers the neurons, then the energies, then the gradients' matrices."""

    @staticmethod
    def forward(form: Form, *tensors: Tensor) -> tuple[Tensor, ...]:  # pyright: ignore[reportIncompatibleMethodOverride]
        count = len(tensors) // 3
        return tuple(energy.clone() for energy in tensors[count : 2 * count])  # what goes in may not come out

    @staticmethod
    def setup_context(ctx, inputs: tuple, output: tuple[Tensor, ...]) -> None:
        ctx.form, *tensors = inputs
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(*tensors[: len(output)], *tensors[2 * len(output) :])

    @staticmethod
    def backward(ctx, *gradients: Tensor | None) -> tuple[Tensor | None, ...]:  # pyright: ignore[reportIncompatibleMethodOverride]
        count = len(gradients)
        found: list[Tensor | None] = []
        for gradient, neurons, matrix in zip(
            gradients, ctx.saved_tensors[:count], ctx.saved_tensors[count:], strict=True
        ):
            if gradient is None:
                found.append(None)
                continue
            with _without_autocast(neurons):
                if torch.is_grad_enabled():  # to be differentiated again: by the neurons, not by constants
                    matrix = _differentiable_matrix(neurons, ctx.form)
                found.append((gradient * matrix) @ neurons)
        return None, *found, *[None] * (2 * count)


# Function.apply looks the signature up in each call, which takes longer than most of what is above.
_Energies.forward.__signature__ = inspect.signature(_Energies.forward)


def _differentiable_matrix(neurons: Tensor, form: Form) -> Tensor:
    scale = neurons.square().sum(dim=1).rsqrt()
    own = torch.eye(len(neurons), dtype=torch.bool, device=neurons.device)
    cosines = ((neurons @ neurons.T) * torch.outer(scale, scale)).masked_fill(own, 0)
    slopes = _pairs(cosines, form)[1].masked_fill(own, 0)
    return _gradient_matrix(scale, cosines, slopes, form.factor(len(neurons)))


def _without_autocast(tensor: Tensor) -> AbstractContextManager:
    """Entering torch's takes as long as a small product."""
    kind = tensor.device.type
    return torch.autocast(kind, enabled=False) if torch.is_autocast_enabled(kind) else nullcontext()
