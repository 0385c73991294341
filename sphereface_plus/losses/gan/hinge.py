"""The hinge loss of SN-GAN's ResNets (arXiv:1802.05957, Eq. (16) and (17)): a real image that scores above 1,
or a generated one below -1, teaches the discriminator nothing more.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from sphereface_plus.losses.gan.adversarial import AdversarialLoss


def _discriminator(real: Tensor, fake: Tensor) -> Tensor:
    return F.relu(1 - real).mean() + F.relu(1 + fake).mean()


def _generator(fake: Tensor) -> Tensor:
    return -fake.mean()


hinge = AdversarialLoss(_discriminator, _generator)
