"""Batch normalisation (arXiv:1502.03167): maps, over batch, height and width."""

from __future__ import annotations

from torch import nn

from sphereface_plus.networks.normalisations.normalisation import Normalisation

EPS = 2e-5
"""Chainer's, and that of the released code; its running averages keep 0.9, as torch's do."""


def _of_maps(channels: int, factor: bool) -> nn.Module:
    return nn.BatchNorm2d(channels, eps=EPS, affine=factor)


batch = Normalisation(of_maps=_of_maps, image_by_image=False)
