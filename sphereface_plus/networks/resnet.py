"""ResNets of Table 12: ResNet-32 for CIFAR, and torchvision's ResNet-18 and 34 for ImageNet.

ResNet-32, 6n + 2 layers with n = 5 (He et al. 2016, section 4.2), the last of them the loss's classifier:

    images (B, in_channels, H, W)
      convolution 3x3, batch normalisation, ReLU
      3 stages of width 64, 128, 256, each of n residual units  ReLU(x + norm(conv(ReLU(norm(conv(x))))))
        the first unit of stages 2 and 3 halves height and width
      average over the map
    features (B, 256)

He's own network has a quarter of the paper's widths: (16, 32, 64).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch.nn.functional as F
from torch import Tensor, nn

from sphereface_plus.networks.layers import batch_norm, he_convolution

if TYPE_CHECKING:
    from sphereface_plus.networks.imagenet_resnet import ImageNetResNet

Widths = tuple[int, int, int]


class ResidualUnit(nn.Module):
    """(B, C, H, W) -> (B, width, H / stride, W / stride)."""

    def __init__(self, in_channels: int, width: int, stride: int, batch_norm_preset: str) -> None:
        super().__init__()
        self.stride, self.new_channels = stride, width - in_channels
        self.conv1 = he_convolution(in_channels, width, 3, 1, stride)
        self.norm1 = batch_norm(width, batch_norm_preset)
        self.conv2 = he_convolution(width, width, 3, 1)
        self.norm2 = batch_norm(width, batch_norm_preset)

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.norm1(self.conv1(x)))
        # He's shortcut A, without weights: every second pixel, and zeros in the new channels.
        x = F.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, 0, self.new_channels))
        return F.relu(x + self.norm2(self.conv2(y)))


class CifarResNet(nn.Module):
    """Images (B, in_channels, H, W) -> features (B, widths[-1]), for small images of any size.

    units: n, residual units in each of the three stages.
    """

    bias_multipliers = (1.0, 1.0)  # batch normalisation's: learnt and decayed as the weights are

    def __init__(self, units: int, widths: Widths, in_channels: int, batch_norm_preset: str) -> None:
        super().__init__()
        self.embedding_size = widths[-1]
        self.conv = he_convolution(in_channels, widths[0], 3, 1)
        self.norm = batch_norm(widths[0], batch_norm_preset)
        stages = []
        for before, width, stride in zip((widths[0], *widths[:-1]), widths, (1, 2, 2), strict=True):
            rest = [ResidualUnit(width, width, 1, batch_norm_preset) for _ in range(units - 1)]
            stages.append(nn.Sequential(ResidualUnit(before, width, stride, batch_norm_preset), *rest))
        self.stages = nn.Sequential(*stages)

    def forward(self, images: Tensor) -> Tensor:
        maps = self.stages(F.relu(self.norm(self.conv(images))))  # (B, 256, H / 4, W / 4)
        return maps.mean((2, 3))


def resnet32(widths: Widths = (64, 128, 256), in_channels: int = 3, batch_norm: str = "torch") -> CifarResNet:
    """31 convolutions, and a classifier to come; 7.4 million parameters."""
    return CifarResNet(5, widths, in_channels, batch_norm)


def resnet18() -> ImageNetResNet:
    """torchvision's: 17 convolutions along the way, and a classifier to come; 11.2 million parameters."""
    return _of_imagenet([2, 2, 2, 2])


def resnet34() -> ImageNetResNet:
    """torchvision's: 33 convolutions along the way, and a classifier to come; 21.3 million parameters."""
    return _of_imagenet([3, 4, 6, 3])


def _of_imagenet(units: list[int]) -> ImageNetResNet:
    from sphereface_plus.networks.imagenet_resnet import ImageNetResNet

    return ImageNetResNet(units)
