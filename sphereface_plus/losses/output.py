"""What every loss returns."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from torch import Tensor


class WithoutMargin(NamedTuple):
    """How a batch is classified by its logits without the margin, detached."""

    right: Tensor
    """(B,) bool: whether the largest logit is the label's."""
    cross_entropy: Tensor
    """Scalar, the mean over the batch."""


class LossOutput(NamedTuple):
    """One batch's classification loss and what is worth looking at beside it."""

    loss: Tensor
    """Scalar, the mean over the batch; what is differentiated."""
    terms: dict[str, Tensor]
    """Named scalars for the log."""
    without_margin: Callable[[], WithoutMargin] | None
    """Counts when it is called, and keeps the head's memory until it is dropped; None without prototypes."""
