"""A pyramid's levels on sheets: each cell once, and as if its level were whole."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from data_prep.pyramid import CELL, ROUNDED, SIDE, STRIDE, Tile, laid_out, sheet_of

LEVELS = {
    "of a small photo": ((151, 151), (128, 128), (109, 109), (57, 57), (35, 35), (14, 14)),
    "of a large one": ((720, 961), (333, 177), (176, 176), (177, 12)),
    "many small ones": tuple((size, size + 1) for size in range(13, 60)),
    "one cell": ((12, 12),),
}


@pytest.fixture(params=LEVELS.values(), ids=LEVELS.keys())
def levels(request) -> tuple[tuple[int, int], ...]:
    return request.param


def cells(size: int) -> int:
    """Of P-Net along a level's side: a convolution takes two pixels, pooling half, two more take four."""
    return -(-(size - 2) // 2) - 4


def places(tiles: list[Tile]) -> list[tuple[int, int, int]]:
    """The level, row and column of each cell of a sheet that has a tile."""
    owners = sheet_of(tiles).owners
    row, column = np.nonzero(owners >= 0)
    tiles = [tiles[number] for number in owners[row, column]]
    return [
        (tile.level, y + (tile.top - tile.y) // STRIDE, x + (tile.left - tile.x) // STRIDE)
        for tile, y, x in zip(tiles, row, column, strict=True)
    ]


def test_each_cell_of_each_level_is_on_one_sheet_once(levels):
    found = [place for tiles in laid_out(levels) for place in places(tiles)]
    expected = {
        (level, row, column)
        for level, (height, width) in enumerate(levels)
        for row in range(cells(height))
        for column in range(cells(width))
    }
    assert len(found) == len(expected)
    assert set(found) == expected


def test_sheets_are_of_few_sizes_none_larger_than_the_largest(levels):
    for tiles in laid_out(levels):
        sheet = sheet_of(tiles)
        assert max(sheet.height, sheet.width) <= SIDE
        assert sheet.height % ROUNDED == sheet.width % ROUNDED == 0


def test_tiles_lie_within_their_sheet_and_level_and_beside_each_other(levels):
    for tiles in laid_out(levels):
        sheet = sheet_of(tiles)
        taken = np.zeros((sheet.height, sheet.width), int)
        for tile in tiles:
            height, width = levels[tile.level]
            assert tile.top + tile.height <= height
            assert tile.left + tile.width <= width
            assert tile.y % 2 == tile.x % 2 == tile.top % 2 == tile.left % 2 == 0
            taken[tile.y : tile.y + tile.height, tile.x : tile.x + tile.width] += 1
            assert tile.y + tile.height <= sheet.height
            assert tile.x + tile.width <= sheet.width
        assert taken.max() == 1


def test_a_convolution_pooled_on_sheets_is_that_of_whole_levels(levels):
    """What P-Net's first layers do; in whole numbers, so that both are the same to the last bit."""
    weight = torch.randint(-3, 4, (2, 1, 3, 3)).double()
    contents = [torch.randint(-9, 10, size).double() for size in levels]
    whole = [F.max_pool2d(F.conv2d(it[None, None], weight), 2, ceil_mode=True)[0] for it in contents]
    for tiles in laid_out(levels):
        sheet = sheet_of(tiles)
        pixels = torch.full((sheet.height, sheet.width), 1e6).double()  # between the tiles
        for tile in tiles:
            part = contents[tile.level][tile.top :, tile.left :][: tile.height, : tile.width]
            pixels[tile.y : tile.y + tile.height, tile.x : tile.x + tile.width] = part
        features = F.conv2d(pixels[None, None], weight)[0]
        flat = features.flatten(1)
        flat[:, sheet.edges[0]] = flat[:, sheet.edges[1]]
        pooled = F.max_pool2d(flat.view_as(features), 2)
        seen = CELL // STRIDE - 1  # pooled rows that a cell sees
        row, column = np.nonzero(sheet.owners >= 0)
        for (level, y, x), r, c in zip(places(tiles), row, column, strict=True):
            expected = whole[level][:, y : y + seen, x : x + seen]
            assert torch.equal(pooled[:, r : r + seen, c : c + seen], expected)
