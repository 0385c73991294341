"""Adversarial losses by name, and what keeps a discriminator from changing fast."""

from sphereface_plus.losses.gan.adversarial import AdversarialLoss
from sphereface_plus.losses.gan.gradient_penalty import gradient_penalty
from sphereface_plus.losses.gan.hinge import hinge
from sphereface_plus.losses.gan.standard import standard
from sphereface_plus.losses.gan.wasserstein import wasserstein
from sphereface_plus.losses.gan.weight_clipping import clip_weights

__all__ = ["ADVERSARIAL_LOSSES", "AdversarialLoss", "clip_weights", "gradient_penalty"]

ADVERSARIAL_LOSSES = {"standard": standard, "hinge": hinge, "wasserstein": wasserstein}
