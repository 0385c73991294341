"""SphereFace-4, 10, 20, 36 and 64: plain residual networks of 3x3 convolutions, without batch normalisation.

Structure, initialisation and names of the parts follow the released Caffe prototxts:

    crop (B, 3, 112, 96)
      4 stages of width 64, 128, 256, 512:
        convolution 3x3, stride 2, with bias; PReLU                        halves height and width
        u residual units  x + PReLU(conv(PReLU(conv(x)))), without bias    nothing follows the sum
      flatten in the order channel, row, column: (B, 512 * 7 * 6)
      linear layer, with bias                                              nothing follows it
    embedding (B, 512)

"N layers" counts the 3x3 convolutions.
"""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor, nn

from sphereface_plus.networks.crop_size import map_size, refuse_other_size
from sphereface_plus.networks.prelu import ChannelPReLU
from sphereface_plus.networks.tracing import outside_autocast

STAGE_WIDTHS = (64, 128, 256, 512)

# Residual units in each stage. What was published as the 64-layer prototxt has 7 units in stage 2, and 62
# convolutions in all; the same authors' OpenSphere has 8, and 64. Which of the two gave the papers' 64-layer
# numbers is not known.
STAGE_UNITS = {
    "sphereface4": (0, 0, 0, 0),
    "sphereface10": (0, 1, 2, 0),
    "sphereface20": (1, 2, 4, 1),
    "sphereface36": (2, 4, 8, 2),
    "sphereface64": (3, 8, 16, 3),
    "sphereface64_released": (3, 7, 16, 3),
}


class Variant(NamedTuple):
    """How an implementation builds its stages."""

    unit_bias: bool
    """Whether the convolutions of a residual unit have biases. Caffe holds them at zero (lr_mult 0,
    decay_mult 0), which is none."""
    prelu: bool
    """PReLU, or ReLU."""
    sum_last: bool
    """Whether a unit's sum comes after its second activation, or before it."""


# The released prototxts, and whose weights need another network than theirs (sphereface_plus/pretrained).
VARIANTS = {
    "caffe": Variant(unit_bias=False, prelu=True, sum_last=True),
    "clcarwin": Variant(unit_bias=True, prelu=True, sum_last=True),
    "sfnet_deprecated": Variant(unit_bias=True, prelu=False, sum_last=True),  # OpenSphere, at first
    "sfnet": Variant(unit_bias=True, prelu=False, sum_last=False),  # OpenSphere, from 2022 on
}


class ResidualUnit(nn.Module):
    """x + PReLU(conv(PReLU(conv(x)))), both convolutions 3x3 of stride 1: (B, C, H, W) -> (B, C, H, W)."""

    def __init__(self, width: int, variant: Variant) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(width, width, 3, padding=1, bias=variant.unit_bias)
        self.prelu1 = _activation(width, variant)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=variant.unit_bias)
        self.prelu2 = _activation(width, variant)
        self.sum_last = variant.sum_last
        for convolution in (self.conv1, self.conv2):
            nn.init.normal_(convolution.weight, std=0.01)  # near zero: a unit starts near the identity
            if convolution.bias is not None:
                nn.init.zeros_(convolution.bias)

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv2(self.prelu1(self.conv1(x)))
        return x + self.prelu2(y) if self.sum_last else self.prelu2(x + y)


class Stage(nn.Module):
    """Convolution of stride 2, PReLU, residual units: (B, C, H, W) -> (B, width, ceil(H/2), ceil(W/2))."""

    def __init__(self, in_channels: int, width: int, units: int, variant: Variant) -> None:
        super().__init__()
        self.down = nn.Conv2d(in_channels, width, 3, stride=2, padding=1)
        self.prelu = _activation(width, variant)
        self.units = nn.Sequential(*(ResidualUnit(width, variant) for _ in range(units)))
        _init_caffe_xavier(self.down)

    def forward(self, x: Tensor) -> Tensor:
        return self.units(self.prelu(self.down(x)))


class SphereFace(nn.Module):
    """Crops (B, 3, height, width) -> embeddings (B, embedding_size) in fp32, their length kept.

    units: residual units of each of the four stages (STAGE_UNITS).
    variant: the released prototxts' stages, or another implementation's (VARIANTS).
    Raises ValueError for crops of another size: the linear layer's weights belong to one size.
    """

    def __init__(
        self,
        units: tuple[int, int, int, int],
        embedding_size: int = 512,
        height: int = 112,
        width: int = 96,
        *,
        variant: str = "caffe",
    ) -> None:
        super().__init__()
        self.embedding_size, self.height, self.width = embedding_size, height, width
        shapes = zip((3, *STAGE_WIDTHS[:-1]), STAGE_WIDTHS, units, strict=True)
        self.stages = nn.Sequential(*(Stage(*shape, VARIANTS[variant]) for shape in shapes))
        rows, columns = map_size(height, width)
        self.embed = nn.Linear(STAGE_WIDTHS[-1] * rows * columns, embedding_size)
        _init_caffe_xavier(self.embed)

    def forward(self, crops: Tensor) -> Tensor:
        refuse_other_size(crops, self.height, self.width)
        maps = self.stages(crops)  # (B, 512, 7, 6)
        # Out of autocast: margins are about small angles, and on a CPU casting these 11 million weights to
        # bf16, and their gradient back, takes longer than the product itself.
        with outside_autocast(crops):
            return self.embed(maps.flatten(1).to(self.embed.weight.dtype))


def _activation(width: int, variant: Variant) -> nn.Module:
    return ChannelPReLU(width) if variant.prelu else nn.ReLU()


def _init_caffe_xavier(layer: nn.Conv2d | nn.Linear) -> None:
    # Caffe's "xavier" is U(-a, a) with a = sqrt(3 / fan_in); torch's xavier_uniform_ averages in fan_out.
    nn.init.kaiming_uniform_(layer.weight, mode="fan_in", nonlinearity="linear")
    assert layer.bias is not None
    nn.init.zeros_(layer.bias)


def sphereface4(embedding_size: int = 512, height: int = 112, width: int = 96) -> SphereFace:
    """4 convolutions, no residual unit; 12.6 million parameters."""
    return SphereFace(STAGE_UNITS["sphereface4"], embedding_size, height, width)


def sphereface10(embedding_size: int = 512, height: int = 112, width: int = 96) -> SphereFace:
    """10 convolutions; 15.2 million parameters."""
    return SphereFace(STAGE_UNITS["sphereface10"], embedding_size, height, width)


def sphereface20(embedding_size: int = 512, height: int = 112, width: int = 96) -> SphereFace:
    """20 convolutions, the network of most published numbers; 22.7 million parameters."""
    return SphereFace(STAGE_UNITS["sphereface20"], embedding_size, height, width)


def sphereface36(embedding_size: int = 512, height: int = 112, width: int = 96) -> SphereFace:
    """36 convolutions; 32.8 million parameters."""
    return SphereFace(STAGE_UNITS["sphereface36"], embedding_size, height, width)


def sphereface64(embedding_size: int = 512, height: int = 112, width: int = 96) -> SphereFace:
    """64 convolutions; 48.2 million parameters."""
    return SphereFace(STAGE_UNITS["sphereface64"], embedding_size, height, width)


def sphereface64_released(embedding_size: int = 512, height: int = 112, width: int = 96) -> SphereFace:
    """The 62 convolutions of the prototxt that was published as 64; 47.9 million parameters."""
    return SphereFace(STAGE_UNITS["sphereface64_released"], embedding_size, height, width)
