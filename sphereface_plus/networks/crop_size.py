"""The one size of crops that a network with a flattening last layer takes."""

from __future__ import annotations

import math

from torch import Tensor

from sphereface_plus.networks.tracing import is_written_down


def map_size(height: int, width: int) -> tuple[int, int]:
    """(rows, columns) of the last map of a network that halves four times, rounding up: (7, 6) of 112x96."""
    return math.ceil(height / 16), math.ceil(width / 16)


def refuse_other_size(images: Tensor, height: int, width: int, channels: int = 3) -> None:
    """Raises ValueError unless the images are (B, channels, height, width)."""
    if not is_written_down(images) and images.shape[1:] != (channels, height, width):
        raise ValueError(
            f"the network expects images of shape (B, {channels}, {height}, {width}), "
            f"got {tuple(images.shape)}"
        )
