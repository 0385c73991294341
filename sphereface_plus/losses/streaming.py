"""Sums over all prototypes but the label's, made in one pass over chunks of prototypes, and again backwards.

Shapes: B embeddings of D dimensions, C prototypes, n of them in a chunk; z (n, B) are a chunk's products.

    logit_ij = scale rule(z_ij) + bias      z_ij = x_i w_j, or x_i w_j / |w_j|
    value_i  = log sum_{j != y_i} exp(logit_ij), or sum_{j != y_i} log(1 + exp(logit_ij))

The forward keeps the values alone. The backward makes each chunk's products again, from them the slopes
p_ij = d value_i / d logit_ij, and with these both gradients:

    of x_i   sum_j p_ij w_j         of w_j   sum_i p_ij x_i, less its part along w_j

four products of B C D multiply-adds in all, where a head that keeps everything has three. What is done
besides works on (n, B) numbers that are still in cache.

The gradient of the prototypes is one tensor of C D numbers, and is not made twice where something else, an
energy, is differentiated by them too. The prototypes are passed on: what else wants them takes those that
`streamed` gives back, its gradient comes first, and each chunk's is added to it in place.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from sphereface_plus.losses.head import OverLengths, Rule
from sphereface_plus.losses.prototypes import lengths
from sphereface_plus.mhe.matrix_products import product

CHUNK_NUMBERS = {"cpu": 2**19}  # of a chunk's products: passes over them stay in a core's cache
ELSEWHERE = 2**24
LOWEST = -1e30  # below every logit, and yet a number


def softplus(logits: Tensor) -> Tensor:
    """log(1 + exp(logit)); torch's leaves the curve at 20, where float64 still sees it."""
    return F.softplus(logits, threshold=40)


class Reduction(Protocol):
    """How the logits of all prototypes become one number for each embedding."""

    def begin(self, embeddings: Tensor) -> None: ...

    def add(self, rows: slice, logits: Tensor, own: tuple[Tensor, Tensor]) -> None:
        """logits (n, B) of a chunk's rows, which may be overwritten; own: places in it that do not count."""
        ...

    def finish(self) -> Tensor:
        """(B,) float64."""
        ...

    def slopes(self, rows: slice, logits: Tensor, value: Tensor) -> Tensor:
        """d value / d logit (n, B) of a chunk's rows; value (B,), rounded to the logits' type."""
        ...

    def rest(self, lost: Tensor) -> Tensor:
        """(B,): the factor of slopes that rounding the value, by `lost`, left out."""
        ...


class LogSum:
    """log sum exp(logit), with a running maximum."""

    def begin(self, embeddings: Tensor) -> None:
        self.highest = embeddings.new_full((len(embeddings),), LOWEST)
        """(B,): the largest logit."""
        self._sum = torch.zeros_like(self.highest, dtype=torch.float64)

    def add(self, rows: slice, logits: Tensor, own: tuple[Tensor, Tensor]) -> None:
        logits[own] = -torch.inf
        highest = torch.maximum(self.highest, logits.amax(dim=0))
        self._sum *= (self.highest - highest).exp()
        self._sum += logits.sub_(highest).exp_().sum(dim=0)
        self.highest = highest

    def finish(self) -> Tensor:
        self.value = self._sum.log() + self.highest
        return self.value

    def slopes(self, rows: slice, logits: Tensor, value: Tensor) -> Tensor:
        return torch.sub(logits, value).exp_()

    def rest(self, lost: Tensor) -> Tensor:
        return (-lost).exp()


class SoftplusSum:
    """sum log(1 + exp(logit)), each prototype's weights[j] times where these are given: (C,)."""

    def __init__(self, weights: Tensor | None = None) -> None:
        self._weights = weights

    def begin(self, embeddings: Tensor) -> None:
        self._sum = torch.zeros(len(embeddings), dtype=torch.float64, device=embeddings.device)

    def add(self, rows: slice, logits: Tensor, own: tuple[Tensor, Tensor]) -> None:
        logits[own] = -torch.inf
        terms = softplus(logits)
        self._sum += terms.sum(dim=0) if self._weights is None else self._weights[rows] @ terms

    def finish(self) -> Tensor:
        return self._sum

    def slopes(self, rows: slice, logits: Tensor, value: Tensor) -> Tensor:
        slopes = logits.sigmoid()
        return slopes if self._weights is None else slopes.mul_(self._weights[rows, None])

    def rest(self, lost: Tensor) -> Tensor:
        return torch.ones_like(lost)


@dataclass(frozen=True)
class Classes:
    """The prototypes' chunks, and where in them the labels of a batch lie."""

    labels: Tensor
    """(B,): rows of the prototypes; others, of prototypes that lie elsewhere, have no place among these."""
    over_lengths: OverLengths

    def chunks(self, prototypes: Tensor) -> Iterator[tuple[slice, tuple[Tensor, Tensor]]]:
        """Rows, and the places in them (line, column) of the batch's own prototypes."""
        step = max(1, CHUNK_NUMBERS.get(prototypes.device.type, ELSEWHERE) // len(self.labels))
        ascending, column = self.labels.sort()
        starts = range(0, len(prototypes), step)
        # Ascending labels that lie in a chunk are a stretch; a GPU is waited for once.
        ends = torch.tensor([*starts, len(prototypes)]).to(ascending)
        borders = torch.searchsorted(ascending, ends).tolist()
        for start, (first, last) in zip(starts, pairwise(borders), strict=True):
            yield slice(start, start + step), (ascending[first:last] - start, column[first:last])


def streamed(
    reduction: Reduction,
    embeddings: Tensor,
    prototypes: Tensor,
    classes: Classes,
    *,
    prototype_biases: Tensor | None = None,
    rule: Rule | None = None,
    scale: float | Tensor = 1.0,
    bias: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """(B,) float64: the reduction over the logits of embeddings (B, D) with all prototypes (C, D) but the
    label's; and the prototypes, for what else is differentiated by them. Its gradient is written to, so it
    must be nobody else's: that of a sum is also the other summand's.

    prototype_biases: (C,), added to the products. scale: a number or (B, 1). bias: a scalar.
    Can be differentiated once, by all tensors given; the rule is differentiated by the products alone.
    """
    of_each = scale[:, 0] if isinstance(scale, Tensor) else embeddings.new_full((len(embeddings),), scale)
    if rule is None and prototype_biases is None:  # nothing stands between the product and the scale
        embeddings, of_each = of_each[:, None] * embeddings, None
    return _Streamed.apply(embeddings, prototypes, prototype_biases, of_each, bias, reduction, classes, rule)  # pyright: ignore[reportReturnType]


class _Given(NamedTuple):
    """What the backward needs; of the size of one column or one row each, but for the first two."""

    embeddings: Tensor
    prototypes: Tensor
    inverse: Tensor | None
    """(C, 1): 1 / |w|, where products are over the lengths."""
    prototype_biases: Tensor | None
    scale: Tensor | None
    """(B,)"""
    bias: Tensor | None
    value: Tensor
    """(B,): what the forward gave."""

    def products(self, rows: slice) -> Tensor:
        """(n, B)"""
        products = product(self.prototypes[rows], self.embeddings)
        if self.inverse is not None:
            products *= self.inverse[rows]
        if self.prototype_biases is not None:
            products += self.prototype_biases[rows, None]
        return products

    def logits(self, ruled: Tensor) -> Tensor:
        """(n, B), of what the rule made of the products; without scale and bias the same tensor."""
        logits = ruled if self.scale is None else ruled * self.scale
        return logits if self.bias is None else logits + self.bias


class _Streamed(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx,
        embeddings: Tensor,
        prototypes: Tensor,
        prototype_biases: Tensor | None,
        scale: Tensor | None,
        bias: Tensor | None,
        reduction: Reduction,
        classes: Classes,
        rule: Rule | None,
    ) -> tuple[Tensor, Tensor]:
        ctx.set_materialize_grads(False)
        inverse = None if classes.over_lengths is None else prototypes.new_empty(len(prototypes), 1)
        given = _Given(embeddings, prototypes, inverse, prototype_biases, scale, bias, embeddings[:, 0])
        reduction.begin(embeddings)
        for rows, own in classes.chunks(prototypes):
            if inverse is not None:
                inverse[rows] = lengths(prototypes[rows]).reciprocal()[:, None]
            products = given.products(rows)
            reduction.add(rows, given.logits(products if rule is None else rule(products.T).T), own)
        value = reduction.finish()
        ctx.save_for_backward(*given._replace(value=value))
        ctx.settings = reduction, classes, rule
        return value, prototypes.view_as(prototypes)

    @staticmethod
    def backward(ctx, value_gradient: Tensor | None, gradient: Tensor | None):  # pyright: ignore[reportIncompatibleMethodOverride]
        """gradient: (C, D), of what took the prototypes that were passed on."""
        if torch.is_grad_enabled():  # create_graph=True
            raise RuntimeError("a streamed head can be differentiated once; take the dense head")
        if value_gradient is None:
            return None, gradient, *[None] * 6
        given = _Given(*ctx.saved_tensors)
        with torch.autocast(given.embeddings.device.type, enabled=False):
            return *_gradients(value_gradient, gradient, given, *ctx.settings), None, None, None


def _gradients(
    value_gradient: Tensor,  # (B,)
    gradient: Tensor | None,  # (C, D): to be added to
    given: _Given,
    reduction: Reduction,
    classes: Classes,
    rule: Rule | None,
) -> tuple[Tensor | None, ...]:
    """By embeddings, prototypes, their biases, the scale and the logits' bias."""
    embeddings, prototypes, inverse, prototype_biases, scale, bias, value = given
    rounded = value.to(embeddings.dtype)
    # Slopes are those of the rounded value; what rounding took is a factor near 1.
    upstream = (value_gradient * reduction.rest(value - rounded)).to(embeddings.dtype)  # (B,)
    weighted = (upstream[:, None] * embeddings).T.contiguous()  # (D, B)
    by_embeddings = torch.zeros_like(embeddings)
    if gradient is None:
        by_prototypes = torch.empty_like(prototypes, memory_format=torch.contiguous_format)
    else:
        by_prototypes = gradient.contiguous()  # an expanded one is no memory to add to
    by_biases, by_scale, by_bias = (
        None if tensor is None else torch.zeros_like(tensor) for tensor in (prototype_biases, scale, bias)
    )
    for rows, own in classes.chunks(prototypes):
        ruled = products = given.products(rows)
        if rule is not None:
            with torch.enable_grad():
                ruled = rule(products.requires_grad_().T).T
        slopes = reduction.slopes(rows, given.logits(ruled.detach()), rounded)
        slopes[own] = 0
        if by_bias is not None:
            by_bias += slopes.sum(dim=0) @ upstream
        if by_scale is not None and scale is not None:
            by_scale += (slopes * ruled.detach()).sum(dim=0) * upstream
            slopes *= scale
        if rule is not None:
            (slopes,) = torch.autograd.grad(ruled, products, slopes)
        if by_biases is not None:
            torch.mv(slopes, upstream, out=by_biases[rows])
        chunk, to_chunk = prototypes[rows], by_prototypes[rows]
        if inverse is not None:
            slopes *= inverse[rows]
        across = product(slopes, weighted)  # (n, D)
        if inverse is not None and classes.over_lengths == "differentiated":
            # d z / d w = (x - z w / |w|) / |w|: the second term makes the gradient orthogonal to w
            z = products.detach()
            z = z if prototype_biases is None else z - prototype_biases[rows, None]
            radial = (z * slopes @ upstream)[:, None] * inverse[rows]
            across.addcmul_(chunk, radial, value=-1)
        if gradient is None:
            to_chunk.copy_(across)
        else:
            to_chunk.add_(across)
        by_embeddings.addmm_(slopes.T, chunk)
    return by_embeddings.mul_(upstream[:, None]), by_prototypes, by_biases, by_scale, by_bias
