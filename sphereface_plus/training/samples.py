"""Generated images as a grid, for a person to look at."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image
from torch import Tensor

from sphereface_plus.files import new_file

GAP = 2
"""Pixels between images, and around them."""


def write_grid(path: Path, images: Tensor, columns: int = 8) -> None:
    """A PNG of images (N, C, H, W) in -1 .. 1, row by row, whole or not at all. Raises WriteError."""
    grid = Image.fromarray(grid_of(images, columns).squeeze())  # grey ones have no axis of colours
    with new_file(path) as file:
        grid.save(file, format="PNG")


def grid_of(images: Tensor, columns: int) -> np.ndarray:
    """uint8 (rows, columns, C) of images (N, C, H, W) in -1 .. 1, white between them."""
    return tiled(pixels_of(images).cpu().numpy(), columns)


def pixels_of(images: Tensor) -> Tensor:
    """uint8 (N, H, W, C) of images (N, C, H, W) in -1 .. 1."""
    return (images.float().clamp(-1, 1) * 127.5 + 127.5).round().byte().permute(0, 2, 3, 1)


def tiled(pixels: np.ndarray, columns: int) -> np.ndarray:
    """uint8 (rows, columns, C) of images uint8 (N, H, W, C), white between them."""
    number, height, width, channels = pixels.shape
    columns = min(columns, number)
    rows = -(-number // columns)
    size = rows * (height + GAP) + GAP, columns * (width + GAP) + GAP
    grid = np.full((*size, channels), 255, dtype=np.uint8)
    for place, image in enumerate(pixels):
        row, column = divmod(place, columns)
        top, left = GAP + row * (height + GAP), GAP + column * (width + GAP)
        grid[top : top + height, left : left + width] = image
    return grid
