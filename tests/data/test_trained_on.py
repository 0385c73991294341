"""Crops are known again by the end of their key and their length, people by their names however spelled."""

import cv2
import numpy as np
import pytest

from sphereface_plus.data.faces import FaceCrops
from sphereface_plus.data.trained_on import TrainedOn, marks, same_name


def test_a_mark_is_of_person_photo_and_length():
    first = marks(["A/1"], [100])
    assert first.dtype == np.int64
    assert marks(["train/set/A/1"], [100]) == first  # wherever the folder begins
    others = [marks(["A/2"], [100]), marks(["B/1"], [100]), marks(["A/1"], [101])]
    assert len({int(mark[0]) for mark in (first, *others)}) == 4
    assert len(marks([], [])) == 0


def test_a_name_that_is_no_utf_8_has_a_mark():
    assert len(marks(["A/\udcff"], [1])) == 1


@pytest.mark.parametrize(
    "name",
    ["Zoë_Müller", "zoë müller", "ZOË-MÜLLER", "Zoe\u0308 Mu\u0308ller", " Zoë  Müller ", "Ｚｏë_Müller"],
)
def test_one_person_in_other_spellings_is_the_same(name):
    assert same_name(name) == "zoë müller"


def test_other_people_and_numbers_stay_others():
    assert len({same_name(name) for name in ("Ann", "Anna", "Ann 2", "2", "02")}) == 5


def test_crops_of_a_set_have_one_mark_each(tmp_path):
    for name in ("A/1.png", "A/2.png", "B/1.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        cv2.imwrite(str(tmp_path / name), np.zeros((8, 8, 3), np.uint8))
    length = (tmp_path / "A/1.png").stat().st_size
    expected = marks(["A/1", "A/2", "B/1"], [length] * 3)
    assert FaceCrops.open(tmp_path).marks().tolist() == expected.tolist()
    assert len(set(expected.tolist())) == 3


def test_a_fine_tuning_was_trained_on_its_start_too():
    own = TrainedOn(("a", "b"), np.array([1, 3]), complete=True)
    start = TrainedOn(("b", "c"), np.array([2, 3]), complete=True)
    both = own.with_start(start)
    assert (both.identities, both.crops.tolist(), both.complete) == (("a", "b", "c"), [1, 2, 3], True)
    assert not own.with_start(TrainedOn(("c",), np.array([2]), complete=False)).complete
    unknown = own.with_start(None)
    assert (unknown.identities, unknown.complete) == (("a", "b"), False)
