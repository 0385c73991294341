"""The head of the softmax losses: prototypes, an embedding's products with them, softmax, and who is right.

A loss of this family has two parts. The rule of its margin says what the target's product becomes, from its
angle, lengths or the product itself, and perhaps what becomes of the others; each rule stands in its loss's
file. The head does the rest, and is the only one that sees all C classes of a batch: a head that makes the
products in chunks of classes, or holds a share of the prototypes, can take the place of this one.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from sphereface_plus.losses.angle import angles, with_target
from sphereface_plus.losses.output import WithoutMargin

Product = Callable[..., Tensor]
"""(embeddings (B, D), prototypes (n, D), what else belongs to those n prototypes) -> (B, n)."""


class DenseHead:
    """One batch at its head, where the products with all prototypes are one tensor (B, C).

    product: of embeddings and prototypes: `cosines`, `project`, `F.linear`.
    embeddings (B, D), labels (B,) in 0..C-1, prototypes (C, D).
    per_prototype: what else the product takes, (C,) each: lengths or biases.
    """

    def __init__(
        self,
        product: Product,
        embeddings: Tensor,
        labels: Tensor,
        prototypes: Tensor,
        *per_prototype: Tensor | None,
    ) -> None:
        self.embeddings, self.labels, self.prototypes = embeddings, labels, prototypes
        self._products = product(embeddings, prototypes, *per_prototype)  # (B, C)

    def target_product(self) -> Tensor:
        """(B,): each embedding's product with the prototype of its label."""
        return self._products.gather(1, self.labels[:, None]).squeeze(1)

    def target_angle(self) -> Tensor:
        """(B,): the angle between them in radians, exact at both ends (angle.py)."""
        return angles(self.embeddings, self.of_labels(self.prototypes))

    def of_labels(self, of_classes: Tensor) -> Tensor:
        """(C, ...) -> (B, ...): the rows of the batch's labels."""
        return of_classes[self.labels]

    def cross_entropy(
        self,
        target: Tensor | None = None,
        *,
        others: Callable[[Tensor], Tensor] | None = None,
        scale: float | Tensor | None = None,
    ) -> Tensor:
        """The softmax cross-entropy under a margin's rule: a scalar, the mean over the batch.

        target: (B,), what takes the place of `target_product`; None: no margin.
        others: what becomes of the products with other prototypes, any columns of them -> the same shape.
        scale: factor on all of that, a number or (B, 1).
        """
        return F.cross_entropy(self.logits(target, others, scale), self.labels)

    def logits(
        self,
        target: Tensor | None,
        others: Callable[[Tensor], Tensor] | None,
        scale: float | Tensor | None,
    ) -> Tensor:
        """(B, C), what enters the softmax."""
        logits = self._products if others is None else others(self._products)
        if target is not None:
            logits = with_target(logits, self.labels, target)
        return logits if scale is None else scale * logits

    def without_margin(self, scale: float | Tensor | None = None) -> WithoutMargin:
        """What the same softmax says without the margin."""
        return counted(self.logits(None, None, scale), self.labels)


@torch.no_grad()
def counted(logits: Tensor, labels: Tensor) -> WithoutMargin:
    """Who is right by logits (B, C), and their cross-entropy."""
    return WithoutMargin(logits.argmax(dim=1) == labels, F.cross_entropy(logits, labels))
