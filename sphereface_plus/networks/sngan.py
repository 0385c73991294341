"""The standard CNN pair of SN-GAN (arXiv:1802.05957, Table 3), with which the paper trains its GANs.

    generator                                            discriminator
      noise (B, 128)                                       images (B, 3, S, S)
      dense                       (B, 512, S/8, S/8)       7 convolutions, leaky ReLU of slope 0.1:
      deconvolution 4x4, stride 2 (B, 256, S/4, S/4)         3x3, stride 1 and 4x4, stride 2, three times,
      deconvolution 4x4, stride 2 (B, 128, S/2, S/2)         3x3, stride 1
      deconvolution 4x4, stride 2 (B, 64, S, S)            dense
      convolution 3x3, tanh       (B, 3, S, S)             score (B,)

Two pairs have these shapes. All widths are multiples of one number, 64 in both:

    sngan_table3     what the two papers print: discriminator 64, 64, 128, 128, 256, 256, 512; a bias
                     everywhere; the dense layer of the generator has neither normalisation nor ReLU
    chainer_gan_lib  what the released code has, from chainer-gan-lib on: discriminator 64, 128, 128, 256,
                     256, 512, 512; the dense layers without bias, the generator's with normalisation and ReLU

Weights start from a normal distribution of standard deviation 0.02, cut off at two of them; biases at 0. Maps
are normalised after all layers of a generator but the last one, and after all convolutions of a discriminator
but the first one, as in DCGAN (arXiv:1511.06434); weights are normalised in every layer.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sphereface_plus.networks.crop_size import refuse_other_size
from sphereface_plus.networks.gan_normalisation import normalised_layer, normalised_maps
from sphereface_plus.networks.normalisations import Layer

Pair = Literal["sngan_table3", "chainer_gan_lib"]

DISCRIMINATOR_WIDTHS: dict[str, tuple[int, ...]] = {
    "sngan_table3": (1, 1, 2, 2, 4, 4, 8),
    "chainer_gan_lib": (1, 2, 2, 4, 4, 8, 8),
}
"""Of the seven convolutions, in multiples of the first one's."""
SLOPE = 0.1
STD = 0.02


class SNGANGenerator(nn.Module):
    """Noise (B, noise_size) -> images (B, channels, image_size, image_size) in -1 .. 1.

    width: channels before the image; the dense layer has eight times as many.
    Raises ValueError for sizes that are not multiples of 8.
    """

    def __init__(
        self,
        pair: Pair = "sngan_table3",
        *,
        width: int = 64,
        noise_size: int = 128,
        image_size: int = 32,
        channels: int = 3,
        normalisation: str = "batch",
    ) -> None:
        super().__init__()
        check_size(image_size)
        self.noise_size, self.base, self.first = noise_size, image_size // 8, 8 * width
        units = self.first * self.base**2
        plain = pair == "sngan_table3"
        self.dense = _layer(nn.Linear(noise_size, units, bias=plain), normalisation)
        # Over units, not over channels: the released code normalises before it makes maps of them.
        self.dense_norm = nn.Identity() if plain else normalised_maps(units, normalisation, factor=True)
        self.dense_relu = not plain
        widths = (self.first, 4 * width, 2 * width, width)
        self.deconvolutions = nn.ModuleList(
            _layer(nn.ConvTranspose2d(before, after, 4, 2, 1), normalisation)
            for before, after in pairwise(widths)
        )
        self.norms = nn.ModuleList(normalised_maps(after, normalisation, factor=True) for after in widths[1:])
        # The released code has a transposed one here, which at stride 1 is the same layer.
        self.image = _layer(nn.Conv2d(width, channels, 3, 1, 1), normalisation)

    def forward(self, noise: Tensor) -> Tensor:
        units = self.dense_norm(self.dense(noise)[:, :, None, None])
        maps = units.view(-1, self.first, self.base, self.base)
        if self.dense_relu:
            maps = F.relu(maps)
        for deconvolution, norm in zip(self.deconvolutions, self.norms, strict=True):
            maps = F.relu(norm(deconvolution(maps)))
        return torch.tanh(self.image(maps))


class SNGANDiscriminator(nn.Module):
    """Images (B, channels, image_size, image_size) in -1 .. 1 -> scores (B,), higher for real ones.

    width: filters of the first convolution.
    Raises ValueError for sizes that are not multiples of 8, and for images of another size.
    """

    def __init__(
        self,
        pair: Pair = "sngan_table3",
        *,
        width: int = 64,
        image_size: int = 32,
        channels: int = 3,
        normalisation: str = "spectral",
    ) -> None:
        super().__init__()
        check_size(image_size)
        self.channels, self.image_size = channels, image_size
        widths = [width * multiple for multiple in DISCRIMINATOR_WIDTHS[pair]]
        convolutions, norms = [], []
        for number, (before, after) in enumerate(zip([channels, *widths[:-1]], widths, strict=True)):
            size, stride = ((3, 1), (4, 2))[number % 2]
            of_maps = normalisation if number else "none"
            convolutions.append(_layer(nn.Conv2d(before, after, size, stride, 1), normalisation))
            norms.append(normalised_maps(after, of_maps, factor=False))
        self.convolutions, self.norms = nn.ModuleList(convolutions), nn.ModuleList(norms)
        units = widths[-1] * (image_size // 8) ** 2
        self.score = _layer(nn.Linear(units, 1, bias=pair == "sngan_table3"), normalisation)

    def forward(self, images: Tensor) -> Tensor:
        refuse_other_size(images, self.image_size, self.image_size, self.channels)
        maps = images
        for convolution, norm in zip(self.convolutions, self.norms, strict=True):
            maps = F.leaky_relu(norm(convolution(maps)), SLOPE)
        return self.score(maps.flatten(1)).squeeze(1)


def _layer(layer: Layer, normalisation: str) -> Layer:
    nn.init.trunc_normal_(layer.weight, std=STD, a=-2 * STD, b=2 * STD)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return normalised_layer(layer, normalisation)


def check_size(image_size: int) -> None:
    if image_size < 8 or image_size % 8:
        raise ValueError(
            f"SN-GAN's networks make and take images of a multiple of 8 pixels, got {image_size}"
        )
