"""Hyperspherical energy of a set of neurons, in all the paper's forms.

Liu et al., "Learning towards Minimum Hyperspherical Energy", NeurIPS 2018, https://arxiv.org/abs/1805.09298:
Eq. (1) and its angular form (5), the relaxation E_log (3), the half-space form of section 3.4, and the
weighted form (18). The normaliser of Eq. (4) is `reduction="mean"`.

Shapes: N neurons of D dimensions. The matrix of cosines (N, N) is made in slabs of rows, `PAIRS_AT_ONCE`
entries each; where there is more than one slab, each is computed again in the backward, so that memory does
not grow with N^2. For the output layer of a large classifier there is `classifier_energy`; with each class
once in its batch it equals the mean energy of all pairs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from .kernel import (
    Distance,
    at_least_float32,
    check_neurons,
    close_cosine,
    close_riesz,
    directions,
    riesz,
    squared_distance,
)

PAIRS_AT_ONCE = 2**22  # 16 MiB in float32 for each (rows, N) intermediate: up to 2,048 neurons in one slab


def hyperspherical_energy(
    weight: Tensor,
    *,
    power: float = 2.0,
    distance: Distance = "euclidean",
    half_space: bool = False,
    neuron_weights: Tensor | None = None,
    reduction: Literal["mean", "sum"] = "mean",
    relaxed: bool = False,
) -> Tensor:
    """The energy of the directions of `weight`'s rows: a scalar, differentiable any number of times.

    weight: (N, D), one neuron a row, of any lengths. Normalisation is part of the graph: scaling a neuron
        does not change the energy, and the gradient of a neuron is orthogonal to it.
    power: s >= 0 of the Riesz kernel f_s(z) = z^-s; 0 is the logarithmic kernel log(1/z).
    distance: "euclidean" is Eq. (1); "angular" takes the angle in radians for the distance, Eq. (5).
    half_space: add the virtual neuron -w of every neuron w (section 3.4); for hidden layers only.
    neuron_weights: (N,) positive constants, the betas of Eq. (18), which scale the unit neurons; Euclidean
        only. In half-space a virtual neuron has the weight of its neuron.
    reduction: "sum" is the sum over ordered pairs i != j, as Eq. (1) has it, twice the physicists' sum over
        i < j; "mean" divides by their number, N(N-1), in half-space 2N(2N-1), the pairs (w, -w) included.
    relaxed: the sum of log f_s instead, Eq. (3), which is s times the energy of power 0.

    Computed outside autocast, in float32, or in float64 if `weight` is; the result has that type. Finite,
    with finite gradients, for coincident, opposite and zero neurons (kernel.py says how). A GPU is waited for
    once or twice a call, to learn whether there are close pairs.
    Raises ValueError for what is not defined: a single neuron in full space, relaxed with power 0, a negative
    power, and the like.
    """
    check_neurons("weight", weight, power, distance)
    num_points = (2 if half_space else 1) * len(weight)
    if num_points < 2:
        raise ValueError(f"the energy needs at least two neurons, got weight of shape {tuple(weight.shape)}")
    if reduction not in ("mean", "sum"):
        raise ValueError(f"reduction must be 'mean' or 'sum', got {reduction!r}")
    if relaxed and power == 0:
        raise ValueError(
            "relaxed is log f_s of Eq. (3) and needs power > 0; for the logarithmic energy drop it"
        )

    with torch.autocast(weight.device.type, enabled=False):
        points = directions(at_least_float32(weight))
        squared_radii = None
        if neuron_weights is not None:
            radii = _checked_radii(neuron_weights, points, distance)
            points, squared_radii = points * radii[:, None], radii.square()

        rows = max(1, PAIRS_AT_ONCE // len(points))
        slabs = [
            (points, squared_radii, slice(start, start + rows), half_space, power, distance, relaxed)
            for start in range(0, len(points), rows)
        ]
        total = _sum_in_pieces(_slab_energy, slabs)
        if half_space:
            # -u_i is as far from -u_j as u_i from u_j, and -u_i as far from u_j as u_i from -u_j
            total = 2 * total
        return total / (num_points * (num_points - 1)) if reduction == "mean" else total


def _checked_radii(neuron_weights: Tensor, points: Tensor, distance: Distance) -> Tensor:
    if distance != "euclidean":
        raise ValueError(
            "neuron_weights scale the neurons in Eq. (18), which an angle does not see; "
            "use distance='euclidean'"
        )
    if neuron_weights.shape != points.shape[:1]:
        raise ValueError(
            f"neuron_weights must be ({len(points)},), one a neuron, got shape {tuple(neuron_weights.shape)}"
        )
    if not bool((neuron_weights > 0).all()):
        raise ValueError("neuron_weights must be positive")
    return neuron_weights.detach().to(points)


def _slab_energy(
    points: Tensor,  # (N, D)
    squared_radii: Tensor | None,  # (N,); None: all 1
    slab: slice,  # of n rows
    half_space: bool,
    power: float,
    distance: Distance,
    relaxed: bool,
) -> Tensor:
    """Sum of f_s over the pairs of the slab's points x with all y, y != x; in half-space with all -y, too."""
    whole = slab.stop - slab.start >= len(points)
    cosine = _Gram.apply(points) if whole else points[slab] @ points.T  # (n, N)
    if squared_radii is not None:
        # |x - y|^2 = r (2 - 2 x.y/r), where r is the mean of |x|^2 and |y|^2: x.y/r takes the cosine's part
        cosine = cosine / ((squared_radii[slab, None] + squared_radii) / 2)
    settings = (points, squared_radii, slab, power, distance, relaxed)
    energy = _signed_energy(cosine, +1, *settings)
    return energy + _signed_energy(-cosine, -1, *settings) if half_space else energy


def _signed_energy(
    cosine: Tensor,  # (n, N), of the slab's points with all sign * y
    sign: int,
    points: Tensor,
    squared_radii: Tensor | None,
    slab: slice,
    power: float,
    distance: Distance,
    relaxed: bool,
) -> Tensor:
    """Sum of f_s over the pairs of the slab's points x with all sign * y; no point pairs with itself."""
    close = (cosine if distance == "euclidean" else cosine.abs()) > close_cosine(points.dtype, power)
    left_out = close
    if sign > 0:
        index = torch.arange(len(points), device=points.device)
        own = index[slab, None] == index
        close, left_out = close & ~own, close | own

    # 0 is a harmless cosine: what is left out must not reach the kernel, where its gradient could be 0 * inf
    squared = squared_distance(cosine.masked_fill(left_out, 0), distance)
    if squared_radii is not None:
        squared = squared * ((squared_radii[slab, None] + squared_radii) / 2)
    energy = riesz(squared, power, relaxed=relaxed).masked_fill(left_out, 0).sum()

    rows, columns = close.nonzero(as_tuple=True)
    if not len(rows):
        return energy

    def close_energy(rows: Tensor, columns: Tensor) -> Tensor:
        return close_riesz(points[slab][rows], sign * points[columns], power, distance, relaxed=relaxed).sum()

    num_pairs = max(1, PAIRS_AT_ONCE // points.shape[1])
    pieces = zip(rows.split(num_pairs), columns.split(num_pairs), strict=True)
    return energy + _sum_in_pieces(close_energy, list(pieces))


def _sum_in_pieces(function: Callable[..., Tensor], pieces: Sequence[tuple[Any, ...]]) -> Tensor:
    """The sum of function(*piece); of several pieces only one at a time has its intermediates in memory."""
    if len(pieces) == 1:
        return function(*pieces[0])
    parts = [checkpoint(function, *piece, use_reentrant=False, preserve_rng_state=False) for piece in pieces]
    return torch.stack(parts).sum()  # pyright: ignore[reportArgumentType, reportCallIssue]


class _Gram(torch.autograd.Function):
    """X X^T of X (N, D), whose backward is one product, where autograd's of `X @ X.T` is two."""

    @staticmethod
    def forward(points: Tensor) -> Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
        return points @ points.T

    @staticmethod
    def setup_context(ctx, inputs: tuple[Tensor], output: Tensor) -> None:
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx, gradient: Tensor) -> Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
        (points,) = ctx.saved_tensors
        return (gradient + gradient.T) @ points
