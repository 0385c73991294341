"""torchvision's ResNet without its classifier; apart, as torchvision loads the whole of torch's compiler."""

from __future__ import annotations

from torch import nn
from torchvision.models.resnet import BasicBlock, ResNet


class ImageNetResNet(ResNet):
    """Images (B, 3, H, W) -> features (B, 512).

    units: residual units in each of the four stages. Where a stage begins, the shortcut is a convolution 1x1.
    The parts keep torchvision's names, so that its published weights fit.
    """

    embedding_size = 512
    bias_multipliers = (1.0, 1.0)

    def __init__(self, units: list[int]) -> None:
        super().__init__(BasicBlock, units)
        self.add_module("fc", nn.Identity())  # what was the classifier
