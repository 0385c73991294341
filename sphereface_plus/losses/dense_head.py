"""The plain head: a batch's products with all prototypes are one tensor (B, C)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from sphereface_plus.losses.angle import angles
from sphereface_plus.losses.head import OverLengths, Rule
from sphereface_plus.losses.output import Seen, WithoutMargin
from sphereface_plus.losses.prototypes import lengths


class DenseHead:
    """The contract of head.py, on the products as one tensor."""

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
        self._embeddings, self._labels, self._prototypes = embeddings, labels, prototypes
        self._products = F.linear(embeddings, prototypes, bias)  # (B, C)
        if over_lengths is not None:
            # Dividing the products and not the prototypes takes fewer passes over C x D, above all backwards.
            w = prototypes if over_lengths == "differentiated" else prototypes.detach()
            self._products = self._products / lengths(w)

    def target_product(self) -> Tensor:
        return self._products.gather(1, self._labels[:, None]).squeeze(1)

    def target_angle(self) -> Tensor:
        return angles(self._embeddings, self.of_labels(self._prototypes))

    def of_labels(self, of_classes: Tensor) -> Tensor:
        return of_classes[self._labels]

    def cross_entropy(
        self, target: Tensor | None = None, *, others: Rule | None = None, scale: float | Tensor | None = None
    ) -> Tensor:
        logits = self._products if target is None else self._under_margin(target, others)
        return F.cross_entropy(logits if scale is None else scale * logits, self._labels)

    def smoothed_cross_entropy(self, *, smoothing: float, floor: float) -> Tensor:
        z = self._products
        log_p = (z.softmax(dim=1) + floor).log() if floor else z.log_softmax(dim=1)
        of_target = log_p.gather(1, self._labels[:, None]).mean()
        return -(1 - smoothing) * of_target - smoothing * log_p.mean()

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
        logits = scale * self._under_margin(target, others) + bias  # (B, C), of the sigmoid, not of a softmax
        column = self._labels[:, None]
        is_target = torch.zeros_like(logits).scatter_(1, column, 1.0)
        weight = torch.full_like(logits, 1 - balance)
        if other_weights is not None:
            weight *= other_weights
        weight.scatter_(1, column, balance)
        return F.binary_cross_entropy_with_logits(logits, is_target, weight)

    @torch.no_grad()
    def without_margin(
        self, scale: float | Tensor | None = None, *, each: Rule | None = None, bias: Tensor | None = None
    ) -> WithoutMargin:
        logits = self._products if each is None else each(self._products)
        logits = logits if scale is None else scale * logits
        logits = logits if bias is None else logits + bias
        of_label = logits.gather(1, self._labels[:, None])
        right = (logits >= of_label).sum(dim=1) == 1
        return WithoutMargin(right, F.cross_entropy(logits, self._labels))

    def seen(self) -> Seen:
        return Seen(self._prototypes, self._labels, len(self._prototypes))

    def _under_margin(self, target: Tensor, others: Rule | None) -> Tensor:
        """(B, C): the products, or what becomes of them, with `target` (B,) in the column of the label."""
        products = self._products if others is None else others(self._products)
        return products.scatter(1, self._labels[:, None], target[:, None])
