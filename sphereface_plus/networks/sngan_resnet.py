"""SN-GAN's ResNet pair for CIFAR-10 (arXiv:1802.05957, Table 4), the stronger of its two.

    generator, width 64                                  discriminator, width 64
      noise (B, 128)                                       images (B, 3, S, S)
      dense                       (B, 256, S/8, S/8)       residual block, halving   (B, 128, S/2, S/2)
      residual block, doubling    (B, 256, S/4, S/4)       residual block, halving   (B, 128, S/4, S/4)
      residual block, doubling    (B, 256, S/2, S/2)       two residual blocks       (B, 128, S/4, S/4)
      residual block, doubling    (B, 256, S, S)           ReLU, sum over the map    (B, 128)
      BN, ReLU, 3x3, tanh         (B, 3, S, S)             dense                     score (B,)

A block is two 3x3 convolutions, each after normalisation and ReLU; the generator doubles the map before the
first, by repeating pixels, and the discriminator halves it after the second, by means of 2 x 2. A shortcut is
a 1x1 convolution where the map changes and nothing else where it does not. The discriminator's first block
begins with its convolution, as ReLU would cut its images at 0. Spectral normalisation is of every layer of
the discriminator, shortcuts and dense layer included, as in the authors' code, sngan_projection, from which
the initial weights are, too: Glorot's uniform, times the root of 2 in the 3x3 of the blocks. Maps are
normalised before each ReLU of a block but in the discriminator's first. The score has no bias, as there.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sphereface_plus.networks.crop_size import refuse_other_size
from sphereface_plus.networks.gan_normalisation import normalised_layer, normalised_maps
from sphereface_plus.networks.normalisations import Layer
from sphereface_plus.networks.sngan import check_size

GAIN = math.sqrt(2)


class ResNetGenerator(nn.Module):
    """Noise (B, noise_size) -> images (B, channels, image_size, image_size) in -1 .. 1.

    width: a fourth of the channels everywhere.
    Raises ValueError for sizes that are not multiples of 8.
    """

    def __init__(
        self,
        *,
        width: int = 64,
        noise_size: int = 128,
        image_size: int = 32,
        channels: int = 3,
        normalisation: str = "batch",
    ) -> None:
        super().__init__()
        check_size(image_size)
        self.noise_size, self.base, self.first = noise_size, image_size // 8, 4 * width
        self.dense = _layer(nn.Linear(noise_size, self.first * self.base**2), normalisation)
        self.blocks = nn.ModuleList(DoublingBlock(self.first, normalisation) for _ in range(3))
        self.norm = normalised_maps(self.first, normalisation, factor=True)
        self.image = _layer(nn.Conv2d(self.first, channels, 3, 1, 1), normalisation)

    def forward(self, noise: Tensor) -> Tensor:
        maps = self.dense(noise).view(-1, self.first, self.base, self.base)
        for block in self.blocks:
            maps = block(maps)
        return torch.tanh(self.image(F.relu(self.norm(maps))))


class ResNetDiscriminator(nn.Module):
    """Images (B, channels, image_size, image_size) in -1 .. 1 -> scores (B,), higher for real ones.

    width: half of the channels everywhere.
    Raises ValueError for sizes that are not multiples of 8, and for images of another size.
    """

    def __init__(
        self, *, width: int = 64, image_size: int = 32, channels: int = 3, normalisation: str = "spectral"
    ) -> None:
        super().__init__()
        check_size(image_size)
        self.channels, self.image_size = channels, image_size
        inner = 2 * width
        self.blocks = nn.Sequential(
            ImageBlock(channels, inner, normalisation),
            Block(inner, normalisation, halves=True),
            Block(inner, normalisation, halves=False),
            Block(inner, normalisation, halves=False),
        )
        self.score = _layer(nn.Linear(inner, 1, bias=False), normalisation)

    def forward(self, images: Tensor) -> Tensor:
        refuse_other_size(images, self.image_size, self.image_size, self.channels)
        return self.score(F.relu(self.blocks(images)).sum(dim=(2, 3))).squeeze(1)


class DoublingBlock(nn.Module):
    """Maps (B, C, H, W) -> (B, C, 2H, 2W), of a generator."""

    def __init__(self, channels: int, normalisation: str) -> None:
        super().__init__()
        self.norms = nn.ModuleList(normalised_maps(channels, normalisation, factor=True) for _ in range(2))
        self.convolutions = nn.ModuleList(_block_layer(channels, channels, normalisation) for _ in range(2))
        self.shortcut = _layer(nn.Conv2d(channels, channels, 1), normalisation)

    def forward(self, maps: Tensor) -> Tensor:
        inner = self.convolutions[0](_doubled(F.relu(self.norms[0](maps))))
        inner = self.convolutions[1](F.relu(self.norms[1](inner)))
        return inner + _doubled(self.shortcut(maps))  # of 1x1, a fourth of the work before doubling


class ImageBlock(nn.Module):
    """Images (B, channels, H, W) -> (B, C, H/2, W/2), a discriminator's first block."""

    def __init__(self, channels: int, width: int, normalisation: str) -> None:
        super().__init__()
        sizes = (channels, width)
        self.convolutions = nn.ModuleList(_block_layer(size, width, normalisation) for size in sizes)
        self.shortcut = _layer(nn.Conv2d(channels, width, 1), normalisation)

    def forward(self, images: Tensor) -> Tensor:
        inner = self.convolutions[1](F.relu(self.convolutions[0](images)))
        return F.avg_pool2d(inner, 2) + self.shortcut(F.avg_pool2d(images, 2))


class Block(nn.Module):
    """Maps (B, C, H, W) -> the same size, or half of it; of a discriminator."""

    def __init__(self, channels: int, normalisation: str, *, halves: bool) -> None:
        super().__init__()
        self.norms = nn.ModuleList(normalised_maps(channels, normalisation, factor=False) for _ in range(2))
        self.convolutions = nn.ModuleList(_block_layer(channels, channels, normalisation) for _ in range(2))
        self.shortcut = _layer(nn.Conv2d(channels, channels, 1), normalisation) if halves else None

    def forward(self, maps: Tensor) -> Tensor:
        inner = self.convolutions[0](F.relu(self.norms[0](maps)))
        inner = self.convolutions[1](F.relu(self.norms[1](inner)))
        if self.shortcut is None:
            return inner + maps
        return F.avg_pool2d(inner, 2) + self.shortcut(F.avg_pool2d(maps, 2))


def _doubled(maps: Tensor) -> Tensor:
    return F.interpolate(maps, scale_factor=2.0, mode="nearest")


def _block_layer(before: int, after: int, normalisation: str) -> Layer:
    return _layer(nn.Conv2d(before, after, 3, 1, 1), normalisation, GAIN)


def _layer(layer: Layer, normalisation: str, gain: float = 1.0) -> Layer:
    nn.init.xavier_uniform_(layer.weight, gain)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return normalised_layer(layer, normalisation)
