"""The levels of a photo's pyramid, laid out on sheets for P-Net.

A call of P-Net is slow for a small level, what it makes of a large one does not fit into the processor's
cache, and for each new shape oneDNN writes its programs anew: for photos of many sizes, in every call. Hence
a level is cut into tiles, small tiles share a sheet, and a sheet's sides are multiples of ROUNDED: few
shapes, none large. P-Net's cells are those of whole levels all the same (Sheet.edges).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

CELL = 12  # pixels of a level that a P-Net cell sees; its neighbours' views lie STRIDE further
STRIDE = 2
SIDE = 176  # pixels of a sheet at most: P-Net's largest layer of it takes 2 MB
ROUNDED = 8


class Tile(NamedTuple):
    """Part of a level, and where it lies on its sheet. A cell belongs to one tile; what cells of two tiles
    see overlaps."""

    level: int
    top: int
    left: int
    height: int
    width: int
    y: int = 0
    x: int = 0
    """Even, as P-Net pools pixels by twos."""


class Sheet(NamedTuple):
    height: int
    width: int
    owners: np.ndarray
    """The number of each cell's tile, -1 for none: (rows, columns), as in P-Net's output."""
    edges: tuple[Tensor, Tensor]
    """Places in the first convolution's output, counted row by row: the first take what the second have.
    Where a level's side is odd, the pooling's last window has one row or column, and on a sheet a second one:
    this makes it equal to the first."""


@lru_cache(maxsize=4)  # photos of one size follow each other
def laid_out(levels: tuple[tuple[int, int], ...]) -> list[list[Tile]]:
    """The tiles of each sheet, of levels of these heights and widths, each CELL or more. A large tile has its
    own sheet."""
    tiles = [tile for number, size in enumerate(levels) for tile in _cut(number, *size)]
    large = [tile for tile in tiles if 2 * max(tile.height, tile.width) > SIDE]
    small = [tile for tile in tiles if 2 * max(tile.height, tile.width) <= SIDE]
    return [*([tile] for tile in large), *_shelved(small)]


def sheet_of(tiles: list[Tile]) -> Sheet:
    return _sheet(tuple((tile.height, tile.width, tile.y, tile.x) for tile in tiles))


def _cut(level: int, height: int, width: int) -> Iterator[Tile]:
    for top, tall in _parts(height):
        for left, wide in _parts(width):
            yield Tile(level, top, left, tall, wide)


def _parts(size: int) -> Iterator[tuple[int, int]]:
    """Where the parts of a level's side begin, and their lengths: as equal as can be."""
    cells = math.ceil((size - 2) / STRIDE) - 4  # what convolutions and pooling leave
    parts = math.ceil(cells / _cells(SIDE))
    for part in range(parts):
        first, last = cells * part // parts, cells * (part + 1) // parts - 1
        yield STRIDE * first, min(STRIDE * last + CELL, size) - STRIDE * first


def _shelved(tiles: list[Tile]) -> Iterator[list[Tile]]:
    """Tiles by falling height, side by side in rows that lie below each other, on sheets of SIDE."""
    placed: list[Tile] = []
    y = x = row_height = 0
    for tile in sorted(tiles, key=lambda tile: -tile.height):
        if x + _even(tile.width) > SIDE:
            y, x, row_height = y + row_height, 0, 0
        if y + _even(tile.height) > SIDE:
            yield placed
            placed, y = [], 0
        row_height = row_height or _even(tile.height)
        placed.append(tile._replace(y=y, x=x))
        x += _even(tile.width)
    if placed:
        yield placed


@lru_cache(maxsize=64)  # the large tiles of a photo have few sizes
def _sheet(places_of_tiles: tuple[tuple[int, int, int, int], ...]) -> Sheet:
    """Of tiles' heights, widths, y and x."""
    height = _rounded(max(y + tile_height for tile_height, _, y, _ in places_of_tiles))
    width = _rounded(max(x + tile_width for _, tile_width, _, x in places_of_tiles))
    owners = np.full((_cells(height), _cells(width)), -1, np.int16)
    places = np.arange((height - 2) * (width - 2)).reshape(height - 2, width - 2)
    to, source = [], []
    for number, (tile_height, tile_width, y, x) in enumerate(places_of_tiles):
        tall, wide = _even(tile_height), _even(tile_width)
        owners[y // STRIDE :, x // STRIDE :][: _cells(tall), : _cells(wide)] = number
        own = places[y:, x:][: tall - 2, : wide - 2]
        seen = own[: tile_height - 2, : tile_width - 2]
        nearest = np.pad(seen, ((0, tall - tile_height), (0, wide - tile_width)), "edge")
        beyond = nearest != own
        to.append(own[beyond])
        source.append(nearest[beyond])
    edges = torch.from_numpy(np.concatenate(to)), torch.from_numpy(np.concatenate(source))
    return Sheet(height, width, owners, edges)


def _cells(size: int) -> int:
    """Of P-Net in this many pixels, an even number."""
    return (size - CELL) // STRIDE + 1


def _even(size: int) -> int:
    return size + size % 2


def _rounded(size: int) -> int:
    return -(-size // ROUNDED) * ROUNDED
