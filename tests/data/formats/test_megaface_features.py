"""Feature files of MegaFace's kit: OpenCV's header, read and written."""

import struct

import numpy as np
import pytest

from sphereface_plus.data.formats.megaface_features import (
    feature_suffix,
    read_feature,
    write_feature,
)
from sphereface_plus.data.formats.megaface_lists import MegaFaceError


def test_a_feature_is_a_column_of_float32_behind_its_header(tmp_path):
    file = tmp_path / "a" / "a_1.png_mine.bin"
    write_feature(file, np.array([1.5, -2.0, 0.25]))
    assert file.read_bytes() == struct.pack("<4i3f", 3, 1, 4, 5, 1.5, -2.0, 0.25)
    np.testing.assert_array_equal(read_feature(file), np.float32([1.5, -2.0, 0.25]))


def test_other_layouts_of_a_vector_are_the_same_feature(tmp_path):
    file = tmp_path / "a.bin"
    for header, numbers in (((1, 3, 12, 5), "3f"), ((3, 1, 8, 6), "3d")):
        file.write_bytes(struct.pack("<4i", *header) + struct.pack(f"<{numbers}", 1, 2, 3))
        np.testing.assert_array_equal(read_feature(file), np.float32([1, 2, 3]))
    file.write_bytes(struct.pack("<4i", 2, 1, 8, 5) + struct.pack("<4f", 1, 99, 2, 99))  # rows are padded
    np.testing.assert_array_equal(read_feature(file), np.float32([1, 2]))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "ends within its header"),
        (struct.pack("<4i3f", 3, 1, 4, 7, 1, 2, 3), "its header says 3 rows, 1 columns, type 7"),
        (struct.pack("<4i", 2**30, 2**30, 4, 5), "is not a feature of MegaFace's kit"),
        (struct.pack("<4i", -1, 1, 4, 5), "is not a feature of MegaFace's kit"),
        (
            struct.pack("<4i2f", 3, 1, 4, 5, 1, 2),
            "has 24 bytes, by its header 28; extract this",
        ),
        (struct.pack("<4i3f", 3, 1, 2, 5, 1, 2, 3), "has 28 bytes, by its header 28"),
    ],
)
def test_a_damaged_feature_is_refused(tmp_path, data, message):
    (tmp_path / "a.bin").write_bytes(data)
    with pytest.raises(MegaFaceError, match=message):
        read_feature(tmp_path / "a.bin")


def test_features_are_found_by_their_images_paths(tmp_path):
    for number, path in enumerate(["a/1.png", "b/2.png"]):
        write_feature(tmp_path / f"{path}_mine.bin", np.arange(4) + number)
    assert feature_suffix(tmp_path, ["none/0.png", "a/1.png"]) == "_mine.bin"
    with pytest.raises(MegaFaceError, match="paths start from"):
        feature_suffix(tmp_path, ["c/3.png"])
    write_feature(tmp_path / "a/1.png_other.bin", np.arange(5))
    with pytest.raises(MegaFaceError, match=r"of several models, _mine\.bin, _other\.bin; say which"):
        feature_suffix(tmp_path, ["a/1.png"])
