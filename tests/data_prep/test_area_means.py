"""The summed-area table against torch's adaptive average pooling, which is what facenet-pytorch calls."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import interpolate

from data_prep.area_means import AreaTable

ALL = slice(None)


def noise(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def pooled(photo: np.ndarray, height: int, width: int) -> np.ndarray:
    image = torch.from_numpy(photo).permute(2, 0, 1)[None].double()
    return interpolate(image, size=(height, width), mode="area")[0].permute(1, 2, 0).numpy()


@given(st.integers(1, 60), st.integers(1, 60), st.integers(1, 70), st.integers(1, 70))
@settings(max_examples=60, deadline=None)
def test_resizing_equals_area_interpolation_also_where_it_enlarges(height, width, to_height, to_width):
    photo = noise(height, width, seed=height * 61 + width)
    resized = AreaTable(photo).resized(to_height, to_width, ALL, ALL)
    assert resized.shape == (to_height, to_width, 3)
    assert resized.dtype == np.float32
    np.testing.assert_allclose(resized, pooled(photo, to_height, to_width), rtol=1e-6)


def test_a_part_of_a_level_is_that_part_of_the_whole_level():
    table = AreaTable(noise(50, 40))
    whole = table.resized(31, 23, ALL, ALL)
    part = table.resized(31, 23, slice(8, 20), slice(3, 17))
    np.testing.assert_array_equal(part, whole[8:20, 3:17])


def test_crops_equal_area_interpolation_of_each_rectangle():
    photo = noise(90, 120)
    boxes = np.array([[0, 0, 120, 90], [3, 5, 4, 6], [119, 89, 120, 90], [10, 0, 95, 33], [7, 7, 31, 31]])
    crops = AreaTable(photo).crops(boxes, 24)
    assert crops.shape == (5, 24, 24, 3)
    for crop, (left, top, right, bottom) in zip(crops, boxes, strict=True):
        expected = pooled(photo[top:bottom, left:right], 24, 24)
        np.testing.assert_allclose(crop, expected, rtol=1e-6)


def test_a_mirrored_view_of_a_photo_is_as_good_as_a_copy():
    view = noise(20, 30)[:, ::-1]
    expected = AreaTable(view.copy()).resized(7, 9, ALL, ALL)
    np.testing.assert_array_equal(AreaTable(view).resized(7, 9, ALL, ALL), expected)


def test_no_boxes_are_no_crops():
    assert AreaTable(noise(5, 5)).crops(np.zeros((0, 4), np.int64), 24).shape == (0, 24, 24, 3)


@pytest.mark.parametrize("value", [255, 254])
def test_sums_beyond_32_bits_do_no_harm(value):
    photo = np.full((3000, 4000, 3), value, np.uint8)  # its sum is 3.06e9, beyond int32
    table = AreaTable(photo)
    assert (np.round(table.resized(24, 20, ALL, ALL), 3) == value).all()
    corner = table.crops(np.array([[3990, 2990, 4000, 3000]]), 24)
    np.testing.assert_allclose(corner, value, rtol=1e-6)
