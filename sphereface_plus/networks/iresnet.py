"""IResNet-18, 34, 50 and 100: insightface's residual networks, the usual ones for ArcFace and what followed.

Structure, initialisation and names of the parts are those of insightface's `arcface_torch`, so that its
`backbone.pth` is this network's state dict as it is:

    crop (B, 3, 112, 112), or of another size
      convolution 3x3, batch normalisation, PReLU                          at full size
      4 stages of width 64, 128, 256, 512, of u residual units
          shortcut + norm(conv(PReLU(norm(conv(norm(x))))))                the first unit's second one halves
      batch normalisation; flatten in the order channel, row, column       (B, 512 * 7 * 7)
      linear layer; batch normalisation without a trained scale
    embedding (B, 512), its length about sqrt(512)

The published networks expect RGB in -1..1 (mean and std 127.5) and the template arcface_112x112. What is left
out: dropout before the linear layer, which insightface sets to 0.
"""

from __future__ import annotations

from torch import Tensor, nn

from sphereface_plus.networks.crop_size import map_size, refuse_other_size
from sphereface_plus.networks.prelu import ChannelPReLU
from sphereface_plus.networks.tracing import outside_autocast

STAGE_WIDTHS = (64, 128, 256, 512)

STAGE_UNITS = {
    "iresnet18": (2, 2, 2, 2),
    "iresnet34": (3, 4, 6, 3),
    "iresnet50": (3, 4, 14, 3),
    "iresnet100": (3, 13, 30, 3),
}


class ResidualUnit(nn.Module):
    """(B, C, H, W) -> (B, width, H / stride, W / stride), nothing follows the sum."""

    def __init__(self, in_channels: int, width: int, stride: int) -> None:
        super().__init__()
        self.bn1 = nn.BatchNorm2d(in_channels)
        self.conv1 = _convolution(in_channels, width, 3)
        self.bn2 = nn.BatchNorm2d(width)
        self.prelu = ChannelPReLU(width)
        self.conv2 = _convolution(width, width, 3, stride)
        self.bn3 = nn.BatchNorm2d(width)
        self.downsample = None
        if stride > 1:
            self.downsample = nn.Sequential(
                _convolution(in_channels, width, 1, stride), nn.BatchNorm2d(width)
            )

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv1(self.bn1(x))
        y = self.conv2(self.prelu(self.bn2(y)))
        return self.bn3(y) + (x if self.downsample is None else self.downsample(x))


class IResNet(nn.Module):
    """Crops (B, 3, height, width) -> embeddings (B, embedding_size) in fp32.

    units: residual units of each of the four stages (STAGE_UNITS).
    Raises ValueError for crops of another size: the linear layer's weights belong to one size.
    """

    bias_multipliers = (1.0, 1.0)  # insightface decays all, and has one learning rate

    def __init__(
        self, units: tuple[int, int, int, int], embedding_size: int = 512, height: int = 112, width: int = 112
    ) -> None:
        super().__init__()
        self.embedding_size, self.height, self.width = embedding_size, height, width
        self.conv1 = _convolution(3, STAGE_WIDTHS[0], 3)
        self.bn1 = nn.BatchNorm2d(STAGE_WIDTHS[0])
        self.prelu = ChannelPReLU(STAGE_WIDTHS[0])
        self.layer1, self.layer2, self.layer3, self.layer4 = map(
            _stage, (STAGE_WIDTHS[0], *STAGE_WIDTHS[:-1]), STAGE_WIDTHS, units
        )
        self.bn2 = nn.BatchNorm2d(STAGE_WIDTHS[-1])
        rows, columns = map_size(height, width)
        self.fc = nn.Linear(STAGE_WIDTHS[-1] * rows * columns, embedding_size)
        self.features = nn.BatchNorm1d(embedding_size)
        self.features.weight.requires_grad_(False)  # stays 1: the length of embeddings is not trained

    def forward(self, crops: Tensor) -> Tensor:
        refuse_other_size(crops, self.height, self.width)
        maps = self.prelu(self.bn1(self.conv1(crops)))
        maps = self.layer4(self.layer3(self.layer2(self.layer1(maps))))  # (B, 512, 7, 7)
        # Out of autocast: margins are about small angles.
        with outside_autocast(crops):
            maps = self.bn2(maps.to(self.fc.weight.dtype))
            return self.features(self.fc(maps.flatten(1)))


def _convolution(in_channels: int, width: int, kernel_size: int, stride: int = 1) -> nn.Conv2d:
    layer = nn.Conv2d(in_channels, width, kernel_size, stride, padding=kernel_size // 2, bias=False)
    nn.init.normal_(layer.weight, std=0.1)
    return layer


def _stage(in_channels: int, width: int, units: int) -> nn.Sequential:
    rest = (ResidualUnit(width, width, 1) for _ in range(units - 1))
    return nn.Sequential(ResidualUnit(in_channels, width, 2), *rest)


def iresnet18(embedding_size: int = 512, height: int = 112, width: int = 112) -> IResNet:
    """24.0 million parameters."""
    return IResNet(STAGE_UNITS["iresnet18"], embedding_size, height, width)


def iresnet34(embedding_size: int = 512, height: int = 112, width: int = 112) -> IResNet:
    """34.1 million parameters."""
    return IResNet(STAGE_UNITS["iresnet34"], embedding_size, height, width)


def iresnet50(embedding_size: int = 512, height: int = 112, width: int = 112) -> IResNet:
    """43.6 million parameters."""
    return IResNet(STAGE_UNITS["iresnet50"], embedding_size, height, width)


def iresnet100(embedding_size: int = 512, height: int = 112, width: int = 112) -> IResNet:
    """65.2 million parameters."""
    return IResNet(STAGE_UNITS["iresnet100"], embedding_size, height, width)
