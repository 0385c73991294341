"""What a loss asks of its head: the contract that the dense head (dense_head.py) keeps, and others may.

A loss with prototypes has two parts. The rule of its margin says what the target's product becomes, from its
angle, lengths or the product itself, and perhaps what becomes of the others; each rule stands in its loss's
file. The head does the rest, and is the only one that sees all C classes of a batch: it gives out nothing of
the shape (B, C). Another head can take the dense one's place, build_loss(..., head=...):

    one that makes the products in chunks of classes (streamed_head.py): every loss, energy and checkpoint
        stays as it is
    one whose process holds a share of the prototypes (sharded_head.py), together with its `rows` (rows.py):
        the same loss and gradients, of the embeddings of all processes
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol

from torch import Tensor

from sphereface_plus.losses.output import Seen, WithoutMargin

OverLengths = Literal["differentiated", "constant"] | None
"""What a product is divided by: the prototype's length, in the graph or as a constant, or nothing."""

Rule = Callable[[Tensor], Tensor]
"""What becomes of products: any n columns of them (B, n) -> (B, n), differentiated by the products alone."""


@dataclass(frozen=True)
class RuleOfEach:
    """A Rule that also looks at a number of each embedding: a head that sees other processes' embeddings
    gathers theirs, and makes the rule of all."""

    rule: Callable[[Tensor, Tensor], Tensor]
    """products (B, n), of_each (B, 1) -> (B, n)"""
    of_each: Tensor
    """(B, 1), a constant."""

    def __call__(self, products: Tensor) -> Tensor:
        return self.rule(products, self.of_each)


class Head(Protocol):
    """One batch at its head. Every value is in the graph, except those of `without_margin`."""

    def target_product(self) -> Tensor:
        """(B,): each embedding's product with the prototype of its label."""
        ...

    def target_angle(self) -> Tensor:
        """(B,): the angle between them in radians, exact at both ends (angle.py)."""
        ...

    def of_labels(self, of_classes: Tensor) -> Tensor:
        """(n, ...), a row for each class that this process holds -> (B, ...): those of the batch's labels."""
        ...

    def cross_entropy(
        self, target: Tensor | None = None, *, others: Rule | None = None, scale: float | Tensor | None = None
    ) -> Tensor:
        """The softmax cross-entropy under a margin's rule: a scalar, the mean over the batch.

        target: (B,), what takes the place of `target_product`; None: no margin, and no `others`.
        others: what becomes of the products with other prototypes.
        scale: factor on all of that, a number or (B, 1).
        """
        ...

    def smoothed_cross_entropy(self, *, smoothing: float, floor: float) -> Tensor:
        """-sum_j t_j log(p_j + floor), p the softmax of the products, t = (1 - smoothing) onehot + smoothing
        / C: a scalar, the mean over the batch."""
        ...

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
        """The binary cross-entropy of each embedding and prototype: a scalar, the mean over all B C of them.

        The logit is scale `target` + bias for the prototype of the label, and counts `balance` times; for the
        others it is scale `others` + bias, and counts 1 - balance times, and other_weights[j] times of that
        where these are given: (n,), of the prototypes that are here (sampled_head.py). bias is a scalar.
        """
        ...

    def without_margin(
        self, scale: float | Tensor | None = None, *, each: Rule | None = None, bias: Tensor | None = None
    ) -> WithoutMargin:
        """Who is right by the logits scale `each` + bias, and their softmax cross-entropy.

        Called once the loss is there, perhaps under the caller's autocast: a head that makes the products
        again leaves it. each: what becomes of every product, the target's among them.
        """
        ...

    def seen(self) -> Seen:
        """Called once the loss is there."""
        ...


class MakeHead(Protocol):
    """What makes the head of one batch.

    embeddings (B, D), labels (B,) in 0..C-1, prototypes (n, D): all C, or the share that this process holds.
    The product of embedding x and prototype w is x . w, over |w| where over_lengths says so, or with a bias
    (n,) added. A loss that wants cosines gives unit embeddings.
    """

    def __call__(
        self,
        embeddings: Tensor,
        labels: Tensor,
        prototypes: Tensor,
        /,
        *,
        over_lengths: OverLengths = None,
        bias: Tensor | None = None,
    ) -> Head: ...
