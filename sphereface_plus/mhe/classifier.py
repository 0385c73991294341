"""Mini-batch energy of the classifier's prototypes, Eq. (8): what SphereFace+ adds to SphereFace.

    1/(m (C - 1))  sum_{i=1..m}  sum_{j != y_i}  f_s(|u_{y_i} - u_j|)        u_j = w_j / |w_j|

for a batch of m labels y and C prototypes w. Both ends of a pair are differentiated: the classes of the batch
and all the others. (The released Caffe layer is something else: the reciprocal of the summed squared
distances, differentiated at the batch's end alone.)

Shapes: C prototypes of D dimensions; K <= m distinct classes in the batch, each computed once and weighted by
how often it occurs; n prototypes in a chunk.

How it is computed. One pass over the prototypes, chunk by chunk, gives the energy and, where it is wanted,
the gradient: the forward makes it, the backward scales it in place and hands it over. The work is three
matrix products of C K D multiply-adds, for the cosines, for the gradient of the chunk and for that of the
batch's classes: 79 GFLOP at C = 100,000, K = 256, D = 512, most of the time. The rest works on (n, K)
matrices that are still in cache, and none of them outlives its chunk. Recomputing the cosines in the backward
instead would cost a fourth product and save nothing, since the gradient (C, D) has to exist in the end.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor

from .geometry import tangential
from .kernel import (
    Distance,
    at_least_float32,
    check_neurons,
    close_cosine,
    close_riesz,
    directions,
    lengths_of,
    riesz,
    squared_distance,
)
from .matrix_products import product
from .repeatable import add_rows
from .share import Share, all_of


def classifier_energy(
    prototypes: Tensor,
    labels: Tensor,
    *,
    power: float = 2.0,
    distance: Distance = "euclidean",
    chunk_size: int = 4096,
    class_weights: Tensor | None = None,
    other_weights: Tensor | None = None,
    share: Share | None = None,
) -> Tensor:
    """Eq. (8): the mean f_s between the prototypes of the batch's classes and all others; a scalar.

    prototypes: (C, D), C >= 2, of any lengths. Normalisation is part of the graph: the gradient of a
        prototype is orthogonal to it. Every prototype gets one, in the batch or not.
    labels: (m,) integers in 0..C-1, m >= 1; one identity in the batch is fine.
    power, distance: as in `hyperspherical_energy`; the paper's SphereFace+ has s = 2 and Euclidean distance.
    chunk_size: prototypes at a time; memory beside the gradient's C D numbers is some chunk_size (4 K + D).
    class_weights: (C,) constants; a label y_i counts class_weights[y_i] times (class_balanced.py).
    other_weights: (C,), above 0; a pair (y_i, j) counts other_weights[j] times (sampled.py). With `share` of
        the rows that are here.
    share: which of the C prototypes `prototypes` (n, D) are, where other processes hold the others. All call
        it together, with the labels of all of them. Each gets the whole energy, and in the backward, which
        all make together, too, its prototypes' gradient of the sum of what the processes make of it.

    Computed outside autocast, in float32, or in float64 if `prototypes` is; guards as in kernel.py. A GPU is
    waited for a few times a call and once a chunk. Can be differentiated once: a backward with
    create_graph=True raises RuntimeError.
    Raises ValueError for labels that are not classes, an empty batch, a single prototype, and the like.
    """
    check_neurons("prototypes", prototypes, power, distance)
    share = all_of(prototypes) if share is None else share
    num_classes = share.num_classes
    if num_classes < 2:
        raise ValueError(f"the energy needs at least two prototypes, got {num_classes}")
    if chunk_size < 1:
        raise ValueError(f"chunk_size must be at least 1, got {chunk_size}")
    if labels.ndim != 1 or labels.is_floating_point() or labels.dtype == torch.bool:
        raise ValueError(
            f"labels must be integers of shape (m,), got {labels.dtype} of shape {tuple(labels.shape)}"
        )
    if not len(labels):
        raise ValueError("the batch is empty: Eq. (8) is a mean over at least one label")
    lowest, highest = (int(end) for end in labels.aminmax())
    if lowest < 0 or highest >= num_classes:
        wrong = lowest if lowest < 0 else highest
        raise ValueError(
            f"label {wrong} is not a class: there are {num_classes} prototypes, 0..{num_classes - 1}"
        )
    if class_weights is not None and class_weights.shape != (num_classes,):
        raise ValueError(f"class_weights must be of shape ({num_classes},), got {tuple(class_weights.shape)}")
    if other_weights is not None and other_weights.shape != (len(prototypes),):
        raise ValueError(
            f"other_weights must be of shape ({len(prototypes)},), got {tuple(other_weights.shape)}"
        )

    with torch.autocast(prototypes.device.type, enabled=False):
        neurons, labels = at_least_float32(prototypes), labels.long()
        settings = (share, class_weights, other_weights, power, distance, chunk_size)
        if torch.is_grad_enabled() and neurons.requires_grad:
            return _ClassifierEnergy.apply(neurons, labels, *settings)
        return _stream(neurons, labels, *settings)


class _ClassifierEnergy(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx,
        prototypes: Tensor,
        labels: Tensor,
        share: Share,
        class_weights: Tensor | None,
        other_weights: Tensor | None,
        power: float,
        distance: Distance,
        chunk_size: int,
    ) -> Tensor:
        ctx.save_for_backward(prototypes, labels)
        ctx.settings = (share, class_weights, other_weights, power, distance, chunk_size)
        ctx.gradient = torch.empty_like(prototypes, memory_format=torch.contiguous_format)
        return _stream(prototypes, labels, *ctx.settings, gradient=ctx.gradient)

    @staticmethod
    def backward(ctx, energy_gradient: Tensor):  # pyright: ignore[reportIncompatibleMethodOverride]
        if torch.is_grad_enabled():  # create_graph=True; torch's once_differentiable would let this pass
            raise RuntimeError(
                "classifier_energy can be differentiated once; "
                "for higher derivatives take hyperspherical_energy of the prototypes"
            )
        prototypes, labels = ctx.saved_tensors
        gradient, ctx.gradient = ctx.gradient, None
        if gradient is None:  # a retained graph: the first backward gave the gradient away, so make it again
            gradient = torch.empty_like(prototypes, memory_format=torch.contiguous_format)
            _stream(prototypes, labels, *ctx.settings, gradient=gradient)
        share, *_ = ctx.settings
        return gradient.mul_(share.total(energy_gradient)), *[None] * 7


@torch.no_grad()
def _stream(
    prototypes: Tensor,  # (n, D), all C or a share
    labels: Tensor,  # (m,)
    share: Share,
    class_weights: Tensor | None,  # (C,)
    other_weights: Tensor | None,  # (n,)
    power: float,
    distance: Distance,
    chunk_size: int,
    *,
    gradient: Tensor | None = None,  # (n, D)
) -> Tensor:
    """The energy; its gradient is written into `gradient`, where one is given."""
    classes, multiplicity = labels.unique(return_counts=True)  # (K,) ascending, (K,)
    pair_weights = multiplicity.to(prototypes) / (len(labels) * (share.num_classes - 1))  # (K,)
    if class_weights is not None:
        pair_weights *= class_weights[classes].to(pair_weights)
    batch = share.batch(prototypes, classes)  # (K, D)
    batch_gradient = torch.zeros_like(batch)
    units = directions(batch)
    weighted_units = (pair_weights[:, None] * units).T.contiguous()  # (D, K)
    unit_gradient = torch.zeros_like(batch)  # with respect to `units`, the pairs' weights left out
    energy = prototypes.new_zeros(())
    threshold = close_cosine(prototypes.dtype, power)

    starts = range(0, len(prototypes), chunk_size)
    rows = classes - share.first  # they ascend, so those that lie in a chunk are a range of k
    ends = torch.tensor([*starts, len(prototypes)]).to(rows)
    borders = torch.searchsorted(rows, ends).tolist()
    for start, (first, last) in zip(starts, pairwise(borders), strict=True):
        chunk = prototypes[start : start + chunk_size]  # (n, D)
        lengths = lengths_of(chunk)  # (n, 1)
        cosine = product(chunk, units).div_(lengths)  # (n, K)

        # Left out: a class with itself, and close pairs, which come last. 0 is a harmless cosine for them.
        own = (rows[first:last] - start, torch.arange(first, last, device=classes.device))
        cosine[own] = 0
        close = _pairs_above(threshold, cosine, distance)
        cosine[close] = 0

        squared = squared_distance(cosine, distance)
        kernel = riesz(squared, power)
        kernel[own] = kernel[close] = 0
        weights = None  # (n, 1): of the pairs with each prototype of the chunk
        if other_weights is not None:
            weights = other_weights[start : start + chunk_size, None].to(kernel)
            energy += weights[:, 0] @ (kernel @ pair_weights)
        else:
            energy += kernel.sum(dim=0) @ pair_weights

        chunk_gradient = None
        if gradient is not None:
            chunk_gradient = gradient[start : start + chunk_size]
            # d f / d cos = s f / z^2, or 1 / z^2 for f_0; for the angle times theta / sin(theta)
            slope = kernel.mul_(power).div_(squared) if power else squared.reciprocal()
            slope[own] = slope[close] = 0
            if distance == "angular":
                slope *= (squared / (1 - cosine.square())).sqrt_()
            # d cos / d w = (u - cos w/|w|) / |w|: the second term makes the gradient orthogonal to w
            scaled_lengths = lengths if weights is None else lengths / weights
            radial = (cosine.mul_(slope) @ pair_weights)[:, None] / (lengths * scaled_lengths)  # (n, 1)
            slope /= scaled_lengths
            to_batch = product(slope, weighted_units)  # (n, D)
            torch.addcmul(to_batch, chunk, radial, value=-1, out=chunk_gradient)
            unit_gradient.addmm_(slope.T, chunk)
        if len(close[0]):
            energy += _add_close_pairs(
                chunk, batch, close, pair_weights, weights, power, distance, chunk_gradient, batch_gradient
            )

    if gradient is not None:
        # the same chain rule at the batch's end: tangential part over length
        batch_gradient += tangential(pair_weights[:, None] * unit_gradient, batch) / lengths_of(batch)
        share.add(gradient, classes, batch_gradient)
    return share.total(energy)


def _pairs_above(threshold: float, cosine: Tensor, distance: Distance) -> tuple[Tensor, ...]:
    """Rows and columns of the pairs too close (for angles: or too nearly opposite) for their cosine to do."""
    magnitude = cosine if distance == "euclidean" else cosine.abs()
    if magnitude.max() <= threshold:  # nearly always; eight times cheaper than `nonzero`
        return (torch.empty(0, dtype=torch.long, device=cosine.device),) * 2
    return (magnitude > threshold).nonzero(as_tuple=True)


def _add_close_pairs(
    chunk: Tensor,  # (n, D)
    batch: Tensor,  # (K, D)
    pairs: tuple[Tensor, ...],  # rows of chunk and of batch, (P,) each
    pair_weights: Tensor,  # (K,)
    weights: Tensor | None,  # (n, 1)
    power: float,
    distance: Distance,
    chunk_gradient: Tensor | None,
    batch_gradient: Tensor,
) -> Tensor:
    """The energy of the listed pairs, from their differences; their gradients are added to those given.

    There is rarely more than a handful. Prototypes that have collapsed into one take long, but no more
    memory.
    """
    energy = chunk.new_zeros(())
    pairs_at_once = len(chunk) * max(1, len(batch) // chunk.shape[1])  # vectors of the size of `cosine`
    for rows, columns in zip(*(indices.split(pairs_at_once) for indices in pairs), strict=True):
        with torch.enable_grad():
            left, right = chunk[rows].requires_grad_(), batch[columns].requires_grad_()
            kernel = close_riesz(directions(left), directions(right), power, distance)
            both = pair_weights[columns] if weights is None else pair_weights[columns] * weights[rows, 0]
            part = kernel @ both
        energy += part.detach()
        if chunk_gradient is not None:
            left_gradient, right_gradient = torch.autograd.grad(part, (left, right))
            add_rows(chunk_gradient, rows, left_gradient)
            add_rows(batch_gradient, columns, right_gradient)
    return energy
