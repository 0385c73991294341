"""Layer normalisation (arXiv:1607.06450): maps, over channels, height and width of an image."""

from __future__ import annotations

from torch import nn

from sphereface_plus.networks.normalisations.normalisation import Normalisation


def _of_maps(channels: int, factor: bool) -> nn.Module:
    return nn.GroupNorm(1, channels, affine=factor)  # one group: over all channels of an image


layer = Normalisation(of_maps=_of_maps)
