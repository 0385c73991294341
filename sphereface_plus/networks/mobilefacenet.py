"""MobileFaceNet (Chen et al. 2018, arXiv:1804.07573) in the form of insightface's `arcface_torch` ("mbf").

Twice the paper's widths up to the last stage, and a 512-dimensional embedding; structure, initialisation and
names of the parts are insightface's, so that its `backbone.pth` is this network's state dict as it is. (The
form of foamliu/MobileFaceNet, with the paper's widths and 128 dimensions, is another network.)

    crop (B, 3, 112, 112), or of another size
      convolution 3x3 of 128 channels, stride 2; grouped convolution 3x3
      bottleneck of stride 2, then 4 residual ones      128 channels, 128 inside
      bottleneck of stride 2, then 6 residual ones      256 channels, 256 inside
      bottleneck of stride 2, then 2 residual ones      256 channels, 512 inside the first, 256 the others
      convolution 1x1 to 512 channels
      depthwise convolution of the whole map, linear layer, batch normalisation
    embedding (B, 512)

Batch normalisation after each convolution, PReLU after each but a bottleneck's last.
"""

from __future__ import annotations

from torch import Tensor, nn

from sphereface_plus.networks.crop_size import map_size, refuse_other_size
from sphereface_plus.networks.prelu import ChannelPReLU
from sphereface_plus.networks.tracing import outside_autocast

Size = int | tuple[int, int]


class ConvolutionBlock(nn.Module):
    """Convolution, batch normalisation, and PReLU if asked for."""

    def __init__(
        self,
        in_channels: int,
        width: int,
        kernel_size: Size = 1,
        *,
        stride: int = 1,
        padding: int = 0,
        groups: int = 1,
        prelu: bool = True,
    ) -> None:
        super().__init__()
        convolution = nn.Conv2d(in_channels, width, kernel_size, stride, padding, groups=groups, bias=False)
        nn.init.kaiming_normal_(convolution.weight, mode="fan_out", nonlinearity="relu")
        activation = [ChannelPReLU(width)] if prelu else []
        self.layers = nn.Sequential(convolution, nn.BatchNorm2d(width), *activation)

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)


class Bottleneck(nn.Module):
    """1x1 to `inside` channels, 3x3 depthwise, 1x1 to width; residual where the stride is 1."""

    def __init__(self, in_channels: int, width: int, inside: int, stride: int) -> None:
        super().__init__()
        self.residual = stride == 1
        self.layers = nn.Sequential(
            ConvolutionBlock(in_channels, inside),
            ConvolutionBlock(inside, inside, 3, stride=stride, padding=1, groups=inside),
            ConvolutionBlock(inside, width, prelu=False),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.layers(x) if self.residual else self.layers(x)


class Residuals(nn.Module):
    """Some residual bottlenecks, one after the other."""

    def __init__(self, width: int, inside: int, count: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(*(Bottleneck(width, width, inside, 1) for _ in range(count)))

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)


class Embedding(nn.Module):
    """Maps (B, 512, rows, columns) -> embeddings, by a weight for each pixel of each channel."""

    def __init__(self, rows: int, columns: int, embedding_size: int) -> None:
        super().__init__()
        linear = nn.Linear(512, embedding_size, bias=False)
        nn.init.kaiming_normal_(linear.weight, mode="fan_out", nonlinearity="relu")
        whole_map = ConvolutionBlock(512, 512, (rows, columns), groups=512, prelu=False)
        self.layers = nn.Sequential(whole_map, nn.Flatten(), linear, nn.BatchNorm1d(embedding_size))

    def forward(self, maps: Tensor) -> Tensor:
        return self.layers(maps)


class MobileFaceNet(nn.Module):
    """Crops (B, 3, height, width) -> embeddings (B, embedding_size) in fp32; 2.1 million parameters.

    Raises ValueError for crops of another size: the last convolution covers the whole map of one size.
    """

    bias_multipliers = (1.0, 1.0)  # insightface decays all, and has one learning rate

    def __init__(self, embedding_size: int = 512, height: int = 112, width: int = 112) -> None:
        super().__init__()
        self.embedding_size, self.height, self.width = embedding_size, height, width
        self.layers = nn.ModuleList(
            [
                ConvolutionBlock(3, 128, 3, stride=2, padding=1),
                ConvolutionBlock(128, 128, 3, padding=1, groups=64),
                Bottleneck(128, 128, inside=128, stride=2),
                Residuals(128, inside=128, count=4),
                Bottleneck(128, 256, inside=256, stride=2),
                Residuals(256, inside=256, count=6),
                Bottleneck(256, 256, inside=512, stride=2),
                Residuals(256, inside=256, count=2),
            ]
        )
        self.conv_sep = ConvolutionBlock(256, 512)
        self.features = Embedding(*map_size(height, width), embedding_size)

    def forward(self, crops: Tensor) -> Tensor:
        refuse_other_size(crops, self.height, self.width)
        maps = crops
        for layer in self.layers:
            maps = layer(maps)
        # Out of autocast: margins are about small angles.
        with outside_autocast(crops):
            maps = self.conv_sep(maps.to(next(self.conv_sep.parameters()).dtype))  # (B, 512, 7, 7)
            return self.features(maps)
