import pytest

from sphereface_plus.data.labels import check_labels, numbered


def test_names_are_numbered_in_their_order():
    assert numbered(["b", "a", "b", "10", "9"]) == ([3, 2, 3, 0, 1], ["10", "9", "a", "b"])


def test_labels_are_checked_against_the_number_of_identities():
    check_labels([2, 0, 1, 1], 3)
    with pytest.raises(
        ValueError, match="2 identities need the labels 0 to 1 without gaps; not among these: 5"
    ):
        check_labels([0, 1, 5], 2)
    with pytest.raises(ValueError, match="not among these: none; missing: 2"):
        check_labels([0, 1], 3)
