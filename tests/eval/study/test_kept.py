"""What a study keeps: tables that come back as they were, and rows of one start a seed."""

from __future__ import annotations

import numpy as np
import pytest

from eval.study.kept import MADE_WITH, Kept, Row, StudyError, read_kept

SUBJECTS = {
    "pairs": np.array([[1, 0, 0], [1, 1, 2], [2, 3, 3]]),
    "searches": np.array([[0], [0], [4], [5], [5]]),
}
RIGHT = {"pairs": np.array([True, False, True]), "searches": np.array([True, True, False, True, False])}


def row(arm="control", seed=0, start="aa", data="xx", **numbers):
    made_with = dict.fromkeys(MADE_WITH, "x") | {"start": start, "data": data, "seconds": "5"}
    return Row(arm, seed, made_with, numbers or {"accuracy": 81.25, "rank_1": 40.0}, RIGHT)


def test_rows_come_back_as_they_were(tmp_path):
    kept = Kept(tmp_path)
    diverged = Row("Eq. (8), ratio 2.5", 0, row().made_with, {}, {})
    for each in (row(), row("Eq. (8), ratio 0.5", accuracy=1 / 3), diverged):
        kept.add(each, SUBJECTS if each.numbers else {})
    again = read_kept(tmp_path)
    assert [(it.arm, it.seed, it.made_with) for it in again.rows] == [
        (it.arm, it.seed, it.made_with) for it in kept.rows
    ]
    assert [it.numbers for it in again.rows] == [it.numbers for it in kept.rows]  # so that a tie stays one
    assert again.rows[1].numbers["accuracy"] == pytest.approx(1 / 3, abs=1e-7)
    assert again.rows[2].numbers == again.rows[2].right == {}
    for kind, right in RIGHT.items():
        assert np.array_equal(again.rows[0].right[kind], right)
        assert np.array_equal(again.subjects[kind], SUBJECTS[kind])


def test_a_run_that_diverged_first_leaves_tables_that_can_be_read(tmp_path):
    Kept(tmp_path).add(Row("control", 0, row().made_with, {}, {}), {})
    assert read_kept(tmp_path).rows[0].numbers == {}


def test_rows_of_a_seed_are_of_one_start(tmp_path):
    kept = Kept(tmp_path)
    for each in (row(), row("arm"), row(seed=1, start="bb")):
        kept.add(each, SUBJECTS)
    assert kept.whole(["control", "arm"], 0)
    assert not kept.whole(["control", "arm"], 1)
    assert kept.find("arm", 0, "aa", "xx") is not None
    assert kept.find("arm", 0, "cc", "xx") is None
    assert kept.find("arm", 0, "aa", "yy") is None
    kept.add(row("arm", start="cc"), SUBJECTS)  # another machine, whose start came out otherwise
    assert [(it.arm, it.seed, it.made_with["start"]) for it in kept.rows] == [
        ("arm", 0, "cc"),
        ("control", 1, "bb"),
    ]


def test_rows_of_a_seed_are_of_the_same_crops(tmp_path):
    kept = Kept(tmp_path)
    for each in (row(), row("arm"), row("arm", data="yy")):
        kept.add(each, SUBJECTS)
    assert [(it.arm, it.made_with["data"]) for it in kept.rows] == [("arm", "yy")]


def test_another_test_set_is_refused(tmp_path):
    kept = Kept(tmp_path)
    kept.add(row(), SUBJECTS)
    with pytest.raises(StudyError, match="the pairs are others than those of the rows that are there"):
        kept.add(row("arm"), {"pairs": SUBJECTS["pairs"] + 1})


def test_tables_that_do_not_belong_together_are_refused(tmp_path):
    Kept(tmp_path).add(row(), SUBJECTS)
    (tmp_path / "outcomes.csv").write_text("arm,seed,pairs,searches\n")
    with pytest.raises(StudyError, match="its tables cannot be read together"):
        read_kept(tmp_path)
