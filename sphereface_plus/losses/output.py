"""What every loss returns."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from torch import Tensor


class WithoutMargin(NamedTuple):
    """How a batch is classified by its logits without the margin, detached."""

    right: Tensor
    """(B,) bool: whether the label's logit is larger than all others; not where it is as large as another."""
    cross_entropy: Tensor
    """Scalar, the mean over the batch."""


class Seen(NamedTuple):
    """The prototypes that a loss compared a batch with: what an energy of the batch takes."""

    prototypes: Tensor
    """(n, D), as they left the head; where processes hold shares, those that lie here, perhaps none. Where
    something else is differentiated by them in the same backward, a head may add its gradient to that one's,
    in place."""
    labels: Tensor
    """(B,): the classes of the batch, those of all processes, (A,), where these hold shares. Where only some
    classes are seen: their places among `classes`."""
    num_classes: int
    """C"""
    certain: Tensor | None = None
    """(K,): places among `classes` of those that were not drawn, the whole batch's, of which `labels` may be
    a part; None: all."""
    classes: Tensor | None = None
    """(n,) ascending, in all processes: the batch's and those drawn; None: all."""


class LossOutput(NamedTuple):
    """One batch's classification loss and what is worth looking at beside it."""

    loss: Tensor
    """Scalar, the mean over the batch; what is differentiated."""
    terms: dict[str, Tensor]
    """Named scalars for the log."""
    without_margin: Callable[[], WithoutMargin] | None
    """Counts when it is called, and keeps the head's memory until it is dropped; None without prototypes."""
    seen: Seen | None = None
    """None without prototypes."""
