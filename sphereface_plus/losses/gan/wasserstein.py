"""The loss of Wasserstein GANs (arXiv:1701.07875): differences of mean scores. It has a meaning only for a
discriminator that is kept from changing fast, by a gradient penalty, clipped or normalised weights.
"""

from __future__ import annotations

from torch import Tensor

from sphereface_plus.losses.gan.adversarial import AdversarialLoss


def _discriminator(real: Tensor, fake: Tensor) -> Tensor:
    return fake.mean() - real.mean()


def _generator(fake: Tensor) -> Tensor:
    return -fake.mean()


wasserstein = AdversarialLoss(_discriminator, _generator, least=None)
