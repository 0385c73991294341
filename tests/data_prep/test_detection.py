"""Which face of several is meant."""

from __future__ import annotations

import numpy as np
import pytest

from data_prep.detection import Faces, pick

PHOTO = (100, 200, 3)  # centre (100, 50)
NO_FACES = Faces(np.zeros((0, 4)), np.zeros(0), np.zeros((0, 5, 2)))


def faces(*boxes: tuple[float, ...], scores: tuple[float, ...] | None = None) -> Faces:
    count = len(boxes)
    return Faces(np.array(boxes, float), np.array(scores or [0.9] * count), np.zeros((count, 5, 2)))


def test_centre_takes_the_nearest_box_whatever_its_size_and_score():
    found = faces((0, 0, 100, 100), (95, 40, 115, 60), (100, 0, 200, 100), scores=(1.0, 0.91, 0.99))
    np.testing.assert_array_equal(pick(found, PHOTO), [1])


def test_centre_measures_from_the_middle_of_width_and_height():
    # Seen from (50, 100), height and width exchanged, the second would be nearer.
    np.testing.assert_array_equal(pick(faces((90, 40, 100, 50), (45, 95, 55, 105)), PHOTO), [0])


def test_of_equally_near_faces_the_first_is_taken():
    np.testing.assert_array_equal(pick(faces((70, 40, 90, 60), (110, 40, 130, 60)), PHOTO), [0])


def test_largest_goes_by_area_and_confident_by_score():
    found = faces((0, 0, 10, 90), (0, 0, 31, 30), (0, 0, 20, 20), scores=(0.95, 0.91, 0.99))
    np.testing.assert_array_equal(pick(found, PHOTO, "largest"), [1])
    np.testing.assert_array_equal(pick(found, PHOTO, "confident"), [2])


def test_all_takes_each_in_the_detectors_order():
    np.testing.assert_array_equal(pick(faces((0, 0, 1, 1), (5, 5, 90, 90)), PHOTO, "all"), [0, 1])


@pytest.mark.parametrize("rule", ["centre", "largest", "confident", "all"])
def test_without_faces_none_is_picked(rule):
    assert len(NO_FACES) == 0
    assert pick(NO_FACES, PHOTO, rule).tolist() == []


def test_an_unknown_rule_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match="one of centre, largest, confident, all, got 'biggest'"):
        pick(NO_FACES, PHOTO, "biggest")  # pyright: ignore[reportArgumentType]
