"""CNN-6, 9 and 15: the plain networks of Table 11 (arXiv:1805.09298), of any width.

    images (B, in_channels, S, S)
      3 stages of width 64, 128, 256 (Table 2 varies the widths, Table 3 the depth):
        n times  convolution 3x3, batch normalisation, ReLU       n = 2, 3, 5 in CNN-6, 9, 15
        max pooling 2x2, stride 2                                 halves height and width, rounded down
      fully connected layer, a convolution as large as its map    nothing follows it
    features (B, embedding_size)

No layer has a bias. The number in a name counts the 3x3 convolutions. Table 11 says "Fully Connected 256" and
no more; the released code puts neither batch normalisation nor ReLU behind it, nor do we. The classifier is
the loss's.

Features are about 25 long at the start and nothing normalises them, so that a learning rate of 0.1 from the
first step on kills the ReLUs or gives NaN: warm up over 200 steps, or clip the gradient's norm at 1.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch.nn.functional as F
from torch import Tensor, nn

from sphereface_plus.networks.crop_size import refuse_other_size
from sphereface_plus.networks.layers import batch_norm, he_convolution

Widths = tuple[int, int, int]
Convolution = Callable[[int, int, int, int], nn.Conv2d]  # in_channels, width, kernel_size, padding

TABLE_11: Widths = (64, 128, 256)


class Unit(nn.Module):
    """Convolution 3x3, batch normalisation, ReLU: (B, C, H, W) -> (B, width, H, W)."""

    def __init__(
        self, in_channels: int, width: int, batch_norm_preset: str, convolution: Convolution
    ) -> None:
        super().__init__()
        self.conv = convolution(in_channels, width, 3, 1)
        self.norm = batch_norm(width, batch_norm_preset)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.norm(self.conv(x)))


class PlainCNN(nn.Module):
    """Images (B, in_channels, image_size, image_size) -> features (B, embedding_size), their length kept.

    units: 3x3 convolutions in each of the three stages.
    batch_norm: preset of BATCH_NORMS.
    convolution: makes every layer with neurons; SphereNet puts another kind in its place.
    Raises ValueError for images of another size: the last layer's weights belong to one size.
    """

    bias_multipliers = (1.0, 1.0)  # batch normalisation's: learnt and decayed as the weights are

    def __init__(
        self,
        units: int,
        widths: Widths = TABLE_11,
        embedding_size: int = 256,
        in_channels: int = 3,
        image_size: int = 32,
        batch_norm: str = "torch",
        convolution: Convolution = he_convolution,
    ) -> None:
        super().__init__()
        self.embedding_size, self.in_channels, self.image_size = embedding_size, in_channels, image_size
        stages = []
        for before, width in zip((in_channels, *widths[:-1]), widths, strict=True):
            inputs = (before, *[width] * (units - 1))
            stage = [Unit(channels, width, batch_norm, convolution) for channels in inputs]
            stages.append(nn.Sequential(*stage, nn.MaxPool2d(2)))
        self.stages = nn.Sequential(*stages)
        self.embed = convolution(widths[-1], embedding_size, image_size // 8, 0)

    def forward(self, images: Tensor) -> Tensor:
        refuse_other_size(images, self.image_size, self.image_size, self.in_channels)
        maps = self.stages(images)  # (B, 256, 4, 4)
        return self.embed(maps).flatten(1)


cnn6 = partial(PlainCNN, 2)
"""6 convolutions; 2.2 million parameters.

With in_channels 1, image_size 28 and embedding_size 2 the network of Figures 4 and 8, "a 6-layer CNN" on
MNIST with "the output feature dimension as 2", which the paper describes no further.
"""
cnn9 = partial(PlainCNN, 3)
"""9 convolutions, the network of most of the paper's tables; 3.0 million parameters."""
cnn15 = partial(PlainCNN, 5)
"""15 convolutions; 4.5 million parameters. The paper's baseline of this depth does not converge."""
