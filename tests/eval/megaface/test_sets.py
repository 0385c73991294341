"""Sets of distractors: those of the kit's lists, and what they may not be."""

import pytest

from eval.megaface.sets import sets_of_lists
from sphereface_plus.data.formats.megaface_lists import MegaFaceError, TemplateList


def test_sets_follow_the_kits_lists_and_what_has_no_image_is_left_out(tmp_path):
    def listed(*names):
        return TemplateList(tmp_path / "list", [f"{name}.jpg" for name in names], None)

    row_of = {"a": 0, "b": 1, "c": 2, "e": 3}
    second = {2: listed("e", "d"), 4: listed("e", "d", "a", "f")}
    lists = {1: {2: listed("c", "a"), 4: listed("a", "b", "c", "d")}, 2: second}
    first, second = sets_of_lists(lists, row_of)
    assert (first.order.tolist(), first.sizes, first.ends) == ([2, 0, 1], [2, 4], [2, 3])
    assert (second.order.tolist(), second.sizes, second.ends) == ([3, 0], [2, 4], [1, 2])
    with pytest.raises(MegaFaceError, match="does not hold all images of the smaller list of its set"):
        sets_of_lists({1: {2: listed("a", "b"), 3: listed("b", "c", "e")}}, row_of)


@pytest.mark.parametrize("sizes", [{1: [10, 50], 2: [50]}, {1: [10], 2: [50]}])
def test_sets_of_other_sizes_are_refused(tmp_path, sizes):
    def listed(count):
        return TemplateList(tmp_path / "list", [f"{number}.jpg" for number in range(count)], None)

    lists = {number: {size: listed(size) for size in of_set} for number, of_set in sizes.items()}
    with pytest.raises(MegaFaceError, match="set 2 has lists of 50 distractors, set 1 of 10"):
        sets_of_lists(lists, {str(number): number for number in range(100)})
