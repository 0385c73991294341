"""The one size of crops that a network with a flattening last layer takes."""

from __future__ import annotations

import math

from torch import Tensor

from sphereface_plus.networks.tracing import is_written_down


def map_size(height: int, width: int) -> tuple[int, int]:
    """(rows, columns) of the last map of a network that halves four times, rounding up: (7, 6) of 112x96."""
    return math.ceil(height / 16), math.ceil(width / 16)


def refuse_other_size(crops: Tensor, height: int, width: int) -> None:
    """Raises ValueError unless the crops are (B, 3, height, width)."""
    if not is_written_down(crops) and crops.shape[1:] != (3, height, width):
        raise ValueError(
            f"the network expects crops of shape (B, 3, {height}, {width}), got {tuple(crops.shape)}"
        )
