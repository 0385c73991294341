"""A head without a tensor of all products: they are made in chunks of prototypes, and again backwards.

Shapes: B embeddings of D dimensions, C prototypes, n of them in a chunk; z (n, B) are a chunk's products.

A cross-entropy needs two numbers of each embedding: its logit with its own prototype, which the margin
changes, and the logarithm of the sum of exponentials of all the others,

    L_i = log sum_{j != y_i} exp(z_ij)        loss_i = log(1 + exp(L_i - z_iy))

The first takes B D multiplications. The second is streamed (streaming.py). As the target is not among the
others, 1 - p_y = sigmoid(L_i - z_iy) keeps its digits, where a softmax over all takes the difference of two
numbers near 1.

The gradient of the prototypes is one tensor, of C D numbers: what the targets add is added in place, and so
is the head's to that of an energy of the prototypes `seen`.
"""

from __future__ import annotations

import torch
from torch import Tensor

from sphereface_plus.losses.angle import angles
from sphereface_plus.losses.dense_head import DenseHead
from sphereface_plus.losses.head import OverLengths, Rule
from sphereface_plus.losses.output import Seen, WithoutMargin
from sphereface_plus.losses.prototypes import lengths
from sphereface_plus.losses.streaming import Classes, LogSum, Reduction, SoftplusSum, softplus, streamed
from sphereface_plus.mhe.repeatable import add_rows


class StreamedHead:
    """The contract of head.py. Can be differentiated once."""

    def __init__(
        self,
        embeddings: Tensor,
        labels: Tensor,
        prototypes: Tensor,
        /,
        *,
        over_lengths: OverLengths = None,
        bias: Tensor | None = None,
    ) -> None:
        self._embeddings, self._labels, self._given = embeddings, labels, prototypes
        self._over_lengths: OverLengths = over_lengths
        self._bias = bias
        self._classes = Classes(labels, over_lengths)
        # (B, D), and the prototypes themselves: what is differentiated by either comes back as one gradient.
        self._rows, self._prototypes = WithRows.apply(prototypes, labels)  # pyright: ignore[reportGeneralTypeIssues]
        self._seen: tuple[float | Tensor | None, LogSum] | None = None

    def target_product(self) -> Tensor:
        bias = None if self._bias is None else self._bias[self._labels]
        return products_of_rows(self._embeddings, self._rows, self._over_lengths, bias)

    def target_angle(self) -> Tensor:
        return angles(self._embeddings, self._rows)

    def of_labels(self, of_classes: Tensor) -> Tensor:
        return self._rows if of_classes is self._given else of_classes[self._labels]

    def cross_entropy(
        self, target: Tensor | None = None, *, others: Rule | None = None, scale: float | Tensor | None = None
    ) -> Tensor:
        target = self.target_product() if target is None else target
        reduction = LogSum()
        of_others = self._streamed(reduction, others, scale)
        if others is None:
            self._seen = scale, reduction
        return entropy(of_others, scaled(target, scale))

    def smoothed_cross_entropy(self, *, smoothing: float, floor: float) -> Tensor:
        """The dense head's: it is of image classification, which has few classes."""
        dense = DenseHead(
            self._embeddings, self._labels, self._prototypes, over_lengths=self._over_lengths, bias=self._bias
        )
        return dense.smoothed_cross_entropy(smoothing=smoothing, floor=floor)

    def binary_cross_entropy(
        self,
        target: Tensor,
        *,
        others: Rule,
        scale: float,
        bias: Tensor,
        balance: float,
        other_weights: Tensor | None = None,
    ) -> Tensor:
        of_target = softplus(-(scale * target + bias))
        of_others = self._streamed(SoftplusSum(other_weights), others, scale, bias)
        both = balance * of_target + (1 - balance) * of_others
        return (both.mean() / len(self._given)).to(target.dtype)

    @torch.no_grad()
    def without_margin(
        self, scale: float | Tensor | None = None, *, each: Rule | None = None, bias: Tensor | None = None
    ) -> WithoutMargin:
        if each is None and bias is None and self._seen is not None and self._seen[0] is scale:
            reduction = self._seen[1]  # of the loss, which changed the target alone
        else:
            reduction = LogSum()
            with torch.autocast(self._embeddings.device.type, enabled=False):
                self._streamed(reduction, each, scale, bias)
        target = self.target_product()
        target = scaled(target if each is None else each(target[:, None])[:, 0], scale)
        target = target if bias is None else target + bias
        return WithoutMargin(target > reduction.highest, entropy(reduction.value, target))

    def seen(self) -> Seen:
        return Seen(self._prototypes, self._labels, len(self._prototypes))

    def _streamed(
        self,
        reduction: Reduction,
        rule: Rule | None,
        scale: float | Tensor | None,
        bias: Tensor | None = None,
    ) -> Tensor:
        value, prototypes = streamed(
            reduction,
            self._embeddings,
            self._prototypes,
            self._classes,
            prototype_biases=self._bias,
            rule=rule,
            scale=1.0 if scale is None else scale,
            bias=bias,
        )
        if torch.is_grad_enabled():
            self._prototypes = prototypes
        return value


def products_of_rows(x: Tensor, w: Tensor, over_lengths: OverLengths, bias: Tensor | None) -> Tensor:
    """(B,): the products of embeddings x (B, D) and prototypes w (B, D), row by row; bias (B,)."""
    dtype, x, w = w.dtype, x.to(torch.float64), w.to(torch.float64)
    products = (x * w).sum(dim=1)
    if over_lengths is not None:
        products = products / lengths(w if over_lengths == "differentiated" else w.detach())
    if bias is not None:
        products = products + bias
    return products.to(dtype)


def scaled(target: Tensor, scale: float | Tensor | None) -> Tensor:
    if scale is None:
        return target
    return target * (scale[:, 0] if isinstance(scale, Tensor) else scale)


def entropy(of_others: Tensor, target: Tensor) -> Tensor:
    """-log p_y = log(1 + exp(L - z_y)), the mean; of_others: L (B,), target: z_y (B,)."""
    return softplus(of_others - target).mean().to(target.dtype)


class WithRows(torch.autograd.Function):
    """prototypes (C, D), labels (B,) -> the labels' rows (B, D), and the prototypes.

    Whatever else is differentiated by the prototypes takes the second output. Its gradient comes first, and
    the rows' is added in place; indexing would make a second tensor of C D numbers, nearly all of them 0.
    """

    @staticmethod
    def forward(ctx, prototypes: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(labels)
        ctx.shape = prototypes.shape
        return prototypes[labels], prototypes.view_as(prototypes)

    @staticmethod
    def backward(ctx, by_rows: Tensor | None, gradient: Tensor | None):  # pyright: ignore[reportIncompatibleMethodOverride]
        (labels,) = ctx.saved_tensors
        if by_rows is not None:
            gradient = by_rows.new_zeros(ctx.shape) if gradient is None else gradient
            add_rows(gradient, labels, by_rows)
        return gradient, None
