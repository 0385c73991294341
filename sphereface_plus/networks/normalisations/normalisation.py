"""What a normalisation of a generator or discriminator is: something done to weights, or to maps."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn

Layer = nn.Linear | nn.Conv2d | nn.ConvTranspose2d


class ChannelBias(nn.Module):
    """Adds a learnt number a channel to maps (B, C, H, W)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, maps: Tensor) -> Tensor:
        return maps + self.bias[:, None, None]


class Normalisation(NamedTuple):
    """One of weights has `of_weights`, one of maps has `of_maps`, none has neither."""

    of_weights: Callable[[Layer], object] | None = None
    """Parametrizes the weight of a layer."""
    of_maps: Callable[[int, bool], nn.Module] | None = None
    """(channels, with a learnt factor and bias a channel) -> a module of maps (B, C, H, W)."""
    image_by_image: bool = True
    """Whether an image's score does not depend on the others of its batch."""
