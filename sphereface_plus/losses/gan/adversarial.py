"""What an adversarial loss is: two functions of a discriminator's scores, each minimised by one network."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from torch import Tensor


class AdversarialLoss(NamedTuple):
    """Scores are logits (B,), higher for images that look real; both losses are means over the batch."""

    discriminator: Callable[[Tensor, Tensor], Tensor]
    """(scores of real images, scores of generated images) -> scalar."""
    generator: Callable[[Tensor], Tensor]
    """(scores of generated images) -> scalar."""
    least: float | None = 0.0
    """What the discriminator's loss comes near where no image is taken for the other kind; None: it has no
    least."""
