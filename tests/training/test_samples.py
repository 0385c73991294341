"""The grid of samples: pixels where they belong."""

import numpy as np
import pytest
import torch
from PIL import Image

from sphereface_plus.training.samples import GAP, grid_of, write_grid


def test_images_lie_row_by_row_with_white_between_them():
    images = torch.stack([torch.full((3, 4, 5), value) for value in (-1.0, 0.0, 1.0, -0.5, 0.25)])
    grid = grid_of(images, columns=3)
    assert grid.shape == (2 * (4 + GAP) + GAP, 3 * (5 + GAP) + GAP, 3)
    for place, expected in enumerate((0, 128, 255, 64, 159)):
        row, column = divmod(place, 3)
        top, left = GAP + row * (4 + GAP), GAP + column * (5 + GAP)
        assert (grid[top : top + 4, left : left + 5] == expected).all()
    assert (grid[:GAP] == 255).all()
    assert (grid[-4:, -5:] == 255).all()  # where no sixth image is


@pytest.mark.parametrize(("channels", "mode"), [(3, "RGB"), (1, "L")])
def test_the_file_holds_the_grid(tmp_path, channels, mode):
    images = torch.rand(4, channels, 8, 8) * 2.5 - 1.25  # beyond the range, too
    write_grid(tmp_path / "samples" / "step.png", images, columns=2)
    with Image.open(tmp_path / "samples" / "step.png") as read:
        assert read.mode == mode
        assert np.array_equal(np.asarray(read), grid_of(images, 2).squeeze())
