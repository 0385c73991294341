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

import math
from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from .closed_form import Form, closed_form_energies
from .kernel import (
    SHORTEST_LENGTH,
    Distance,
    at_least_float32,
    check_neurons,
    close_cosine,
    close_riesz,
    directions,
    riesz,
    squared_distance,
)
from .matrix_products import gram_of, inner_products

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

    weight: (N, D), one neuron a row, of any lengths (in float32 up to 1e12, as their squares must have room).
        Normalisation is part of the graph: scaling a neuron does not change the energy, and the gradient of a
        neuron is orthogonal to it.
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
    once a slab, to learn whether there are close pairs. Higher derivatives are those of torch.autograd
    (`create_graph=True`, `autograd.functional.hessian`) and of nested torch.func.grad; vmap and forward mode,
    hence torch.func.hessian, fail.
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

    neurons = at_least_float32(weight)
    if distance == "euclidean" and neuron_weights is None and not relaxed and _is_one_slab(neurons):
        (energy,) = closed_form_energies([neurons], Form(power, half_space, reduction))
        if energy is not None:
            return energy
    with torch.autocast(weight.device.type, enabled=False):
        rows = max(1, PAIRS_AT_ONCE // len(neurons))
        gram = gram_of(neurons) if rows >= len(neurons) else None
        scale = _inverse_lengths(neurons.square().sum(dim=1) if gram is None else gram.diagonal())
        radii = None if neuron_weights is None else _checked_radii(neuron_weights, neurons, distance)
        points = _Points(neurons, gram, scale, radii)
        kernel = _Kernel(power, distance, relaxed)
        slabs = [slice(start, start + rows) for start in range(0, len(neurons), rows)]
        total = _sum_in_pieces(_slab_energy, [(points, slab, kernel, half_space) for slab in slabs])
        if half_space:
            # -u_i is as far from -u_j as u_i from u_j, and -u_i as far from u_j as u_i from -u_j
            total = 2 * total
        return total / (num_points * (num_points - 1)) if reduction == "mean" else total


def mean_energies(
    layers: Sequence[Tensor], *, power: float, distance: Distance, half_space: bool
) -> list[Tensor]:
    """`hyperspherical_energy` of each layer's neurons (N, D), where most are in closed form in fewer calls of
    torch. Raises as that does."""

    def of(layer: Tensor) -> Tensor:
        return hyperspherical_energy(layer, power=power, distance=distance, half_space=half_space)

    if distance != "euclidean":
        return [of(layer) for layer in layers]
    for layer in layers:
        check_neurons("weight", layer, power, distance)
    neurons = [at_least_float32(layer) for layer in layers]
    at_once = [layer for layer in neurons if _is_one_slab(layer)]
    found = iter(closed_form_energies(at_once, Form(power, half_space)))
    energies = [next(found) if _is_one_slab(layer) else None for layer in neurons]
    return [of(layer) if energy is None else energy for layer, energy in zip(layers, energies, strict=True)]


def _is_one_slab(neurons: Tensor) -> bool:
    return 2 <= neurons.shape[0] <= math.isqrt(PAIRS_AT_ONCE)


def _inverse_lengths(squared: Tensor) -> Tensor:
    """(N,) |w|^2 -> 1/|w|; 0, with a gradient of 0, for a neuron without a direction."""
    return squared.masked_fill(squared <= SHORTEST_LENGTH**2, math.inf).rsqrt()


def _checked_radii(neuron_weights: Tensor, neurons: Tensor, distance: Distance) -> Tensor:
    if distance != "euclidean":
        raise ValueError(
            "neuron_weights scale the neurons in Eq. (18), which an angle does not see; "
            "use distance='euclidean'"
        )
    if neuron_weights.shape != neurons.shape[:1]:
        raise ValueError(
            f"neuron_weights must be ({len(neurons)},), one a neuron, got shape {tuple(neuron_weights.shape)}"
        )
    if not bool((neuron_weights > 0).all()):
        raise ValueError("neuron_weights must be positive")
    return neuron_weights.detach().to(neurons)


class _Points(NamedTuple):
    """The neurons as points on the sphere, or, with radii, at other distances from its centre."""

    neurons: Tensor  # (N, D)
    gram: Tensor | None  # (N, N), W W^T; None: a slab computes its own rows
    scale: Tensor  # (N,), 1/|w|
    radii: Tensor | None  # (N,); None: all 1

    def cosines(self, slab: slice) -> tuple[Tensor, Tensor | None]:
        """(n, N) cosines of the slab's n points with all, and the squared radii r that they belong to.

        |x - y|^2 = r (2 - 2 x.y/r), where r is the mean of |x|^2 and |y|^2: x.y/r takes the cosine's part.
        """
        gram = inner_products(self.neurons[slab], self.neurons) if self.gram is None else self.gram
        cosine = gram * torch.outer(self.scale[slab], self.scale)
        if self.radii is None:
            return cosine, None
        squared_radii = (self.radii[slab, None].square() + self.radii.square()) / 2
        return cosine * (torch.outer(self.radii[slab], self.radii) / squared_radii), squared_radii

    def at(self, rows: Tensor) -> Tensor:
        """(P,) indices -> (P, D), the points themselves."""
        points = directions(self.neurons[rows])
        return points if self.radii is None else points * self.radii[rows, None]


class _Kernel(NamedTuple):
    """f_s, or log f_s where relaxed, of a distance."""

    power: float
    distance: Distance
    relaxed: bool

    def of(self, cosine: Tensor, squared_radii: Tensor | None) -> Tensor:
        """Of pairs that are not close: cosines, and the squared radii, 1 if not given -> the same shape."""
        squared = squared_distance(cosine, self.distance)
        if squared_radii is not None:
            squared = squared * squared_radii
        return riesz(squared, self.power, relaxed=self.relaxed)

    def of_close(self, x: Tensor, y: Tensor) -> Tensor:
        """(P, D), (P, D) -> (P,), exact at any distance."""
        return close_riesz(x, y, self.power, self.distance, relaxed=self.relaxed)


def _slab_energy(points: _Points, slab: slice, kernel: _Kernel, half_space: bool) -> Tensor:
    """Sum of f_s over the pairs of the slab's points x with all y, y != x; in half-space with all -y, too."""
    cosine, squared_radii = points.cosines(slab)

    both_ends = half_space or kernel.distance == "angular"
    threshold = close_cosine(points.neurons.dtype, kernel.power)
    close = (cosine.abs() if both_ends else cosine) > threshold
    close.diagonal(slab.start).fill_(False)  # x is not a pair with itself
    pairs = close.nonzero(as_tuple=True)
    left_out = close
    left_out.diagonal(slab.start).fill_(True)
    # 0 is a harmless cosine: what is left out must not reach the kernel, where its gradient could be 0 * inf
    others = cosine.masked_fill(left_out, 0)
    energies = kernel.of(others, squared_radii)
    if half_space:
        energies = energies + kernel.of(-others, squared_radii)
    energy = energies.masked_fill(left_out, 0).sum()
    if half_space:
        # x and its own -x are at their maximum, a constant: a cosine of -1, or 0 without a direction
        own = -cosine.detach().diagonal(slab.start).round()
        energy = energy + kernel.of(own, None if points.radii is None else points.radii[slab].square()).sum()
    if not len(pairs[0]):
        return energy

    def close_energy(rows: Tensor, columns: Tensor) -> Tensor:
        x, y = points.at(slab.start + rows), points.at(columns)
        energy = kernel.of_close(x, y)
        if half_space:
            energy = energy + kernel.of_close(x, -y)
        return energy.sum()

    num_pairs = max(1, PAIRS_AT_ONCE // points.neurons.shape[1])
    pieces = zip(*(indices.split(num_pairs) for indices in pairs), strict=True)
    return energy + _sum_in_pieces(close_energy, list(pieces))


def _sum_in_pieces(function: Callable[..., Tensor], pieces: Sequence[tuple[Any, ...]]) -> Tensor:
    """The sum of function(*piece); of several pieces only one at a time has its intermediates in memory."""
    if len(pieces) == 1:
        return function(*pieces[0])
    parts = [checkpoint(function, *piece, use_reentrant=False, preserve_rng_state=False) for piece in pieces]
    return torch.stack(parts).sum()  # pyright: ignore[reportArgumentType, reportCallIssue]
