"""Landmark files as they are published, and the lines that are none."""

from __future__ import annotations

import numpy as np
import pytest

from data_prep.errors import PrepError
from data_prep.landmarks_file import read_landmarks

NUMBERS = "105\t109\t148\t108\t126\t136\t108\t157\t144\t156"
POINTS = np.array([(105, 109), (148, 108), (126, 136), (108, 157), (144, 156)])


@pytest.mark.parametrize(
    "line",
    [
        f"Ann/Ann_0001.jpg\t{NUMBERS}",
        f"Ann/Ann_0001.jpg\t{NUMBERS}".replace("\t", " ").replace(" ", "\t", 1),
        f"Ann/Ann_0001.jpg\t0\t{NUMBERS}",
        f"Ann/Ann_0001.jpg\tAnn\t{NUMBERS}",
        f"./Ann/Ann_0001.jpg\t{NUMBERS}\r",
    ],
)
def test_lfw_and_casia_lines_give_five_points(tmp_path, line):
    path = tmp_path / "landmarks.txt"
    path.write_text(f"\n{line}\n")
    landmarks = read_landmarks(path)
    assert list(landmarks) == ["Ann/Ann_0001.jpg"]
    np.testing.assert_array_equal(landmarks["Ann/Ann_0001.jpg"], POINTS)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the file holds no landmarks"),
        ("a.jpg\t1 2 3\n", r"landmarks\.txt:1: expected a path, a tab and ten numbers, got 'a\.jpg\\t1 2 3'"),
        (
            f"a.jpg\t{NUMBERS}\nb.jpg {NUMBERS}\n".replace("b.jpg 105\t", "b.jpg 105 "),
            r"landmarks\.txt:2: expected",
        ),
        (f"a.jpg\t{NUMBERS}\n".replace("144", "nan"), "expected a path, a tab and ten numbers"),
        (f"a.jpg\t{NUMBERS}\n".replace("144", "x"), "expected a path, a tab and ten numbers"),
        (f"a.jpg\t{NUMBERS}\na.jpg\t{NUMBERS}\n", r"landmarks\.txt:2: a\.jpg has landmarks already"),
    ],
)
def test_a_bad_line_is_refused_with_file_and_line(tmp_path, text, message):
    path = tmp_path / "landmarks.txt"
    path.write_text(text)
    with pytest.raises(PrepError, match=message):
        read_landmarks(path)


def test_a_missing_file_and_one_that_is_no_text_are_refused(tmp_path):
    with pytest.raises(PrepError, match=r"nowhere\.txt: cannot be read \(No such file"):
        read_landmarks(tmp_path / "nowhere.txt")
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(PrepError, match="binary: is not a text file in UTF-8, as --landmarks takes it"):
        read_landmarks(tmp_path / "binary")
