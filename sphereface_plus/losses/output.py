"""What every loss returns."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor


class LossOutput(NamedTuple):
    """One batch's classification loss and what is worth looking at beside it."""

    loss: Tensor
    """Scalar, the mean over the batch; what is differentiated."""
    terms: dict[str, Tensor]
    """Named scalars for the log."""
    logits: Tensor | None
    """(B, C), with margin and scale, detached: what entered the softmax; None without prototypes."""
    plain_logits: Tensor | None
    """(B, C), without the margin, detached: their argmax gives the accuracy without margin; None likewise."""
