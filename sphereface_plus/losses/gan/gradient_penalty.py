"""The gradient penalty of WGAN-GP (arXiv:1704.00028, Eq. (3)): the slope of a discriminator on the straight
lines between real and generated images.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor


def gradient_penalty(
    discriminator: Callable[[Tensor], Tensor],
    real: Tensor,
    fake: Tensor,
    share: Tensor,
    *,
    one_sided: bool = False,
) -> Tensor:
    """The mean of (|gradient of the score at x| - 1)^2 over x = share * real + (1 - share) * fake; a scalar
    whose own gradient goes to the discriminator's weights.

    real, fake (B, ...): a pair makes one x. share (B,): uniform in 0 .. 1.
    one_sided: max(0, |gradient| - 1)^2, which lets a discriminator be flatter than slope 1. The published
        results, Table 14's among them, are of the two-sided form, which is the default.
    The scores of a batch must not depend on each other, as batch normalisation makes them: the penalty is on
    each image's own gradient.
    """
    share = share.view(-1, *[1] * (real.ndim - 1))
    between = (share * real.detach() + (1 - share) * fake.detach()).requires_grad_()
    scores = discriminator(between)
    (gradient,) = torch.autograd.grad(scores.sum(), between, create_graph=True)  # (B, ...)
    # The root's own slope is infinite at 0, where a flat discriminator would give NaN.
    slope = gradient.flatten(1).square().sum(dim=1).clamp_min(1e-24).sqrt()
    excess = slope - 1
    return (excess.clamp_min(0) if one_sided else excess).square().mean()
