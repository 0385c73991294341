"""Weight clipping, which keeps a discriminator's slope bounded, if roughly (arXiv:1701.07875)."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor


@torch.no_grad()
def clip_weights(weights: Iterable[Tensor], limit: float) -> None:
    """Cuts the numbers of weights off at -limit and limit, in place; after each update of a discriminator.

    SN-GAN's comparison, hence Table 14's, clips the kernels of convolutions at 0.01.
    """
    for weight in weights:
        weight.clamp_(-limit, limit)
