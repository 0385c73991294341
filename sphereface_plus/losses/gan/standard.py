"""The loss of Goodfellow et al. (arXiv:1406.2661), Eq. (20) of arXiv:1805.09298, with the alternate cost of
the generator, -log D(G(z)), which both papers train with. D(x) is the logistic function of a score.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from sphereface_plus.losses.gan.adversarial import AdversarialLoss


def _discriminator(real: Tensor, fake: Tensor) -> Tensor:
    # -log D(x) = softplus(-score), -log(1 - D(x)) = softplus(score): finite where D(x) rounds to 0 or 1
    return F.softplus(-real).mean() + F.softplus(fake).mean()


def _generator(fake: Tensor) -> Tensor:
    return F.softplus(-fake).mean()


standard = AdversarialLoss(_discriminator, _generator)
