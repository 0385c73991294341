"""The tables of a study, of rows whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from eval.study.comparisons import of_arms, of_contrasts
from eval.study.kept import Row
from eval.study.page import text_of
from tests.eval.study.known import STUDY


def test_an_arm_that_is_better_is_found_and_one_that_is_the_same_is_not(kept):
    better, same, beside = of_arms(STUDY, kept, "rank_1")
    assert better.arm == "better"
    assert better.seeds.low > 0
    assert better.people.low > 0
    assert better.p_value == max(better.seeds.p_value, better.people.p_value) < 0.01
    expected = np.mean(
        [
            kept.rows[4 * seed + 1].numbers["rank_1"] - kept.rows[4 * seed].numbers["rank_1"]
            for seed in range(4)
        ]
    )
    assert np.mean(better.differences) == pytest.approx(expected)
    assert (better.people.low + better.people.high) / 2 == pytest.approx(expected)
    assert same.p_value == beside.p_value == 1


def test_arms_of_another_start_and_runs_that_diverged_are_not_compared(kept):
    control = kept.rows[0]
    kept.rows[0] = Row(
        control.arm, 0, dict(control.made_with) | {"start": "other"}, control.numbers, control.right
    )
    assert len(of_arms(STUDY, kept, "accuracy")[0].differences) == 3
    kept.rows[5] = Row("better", 1, control.made_with, {}, {})
    assert len(of_arms(STUDY, kept, "accuracy")[0].differences) == 2
    assert "Did not converge, and left out: better of seed 1." in text_of(STUDY, kept)


def test_the_page_says_what_was_compared_and_what_it_could_have_shown(kept):
    text = text_of(STUDY, kept)
    assert text.startswith("# A study\n")
    assert "beside, minus same" in text
    assert "rank-1 %: the main measure" in text
    assert text.count("| found by 4 in 5 |") == 4  # two measures, each with arms among themselves
    assert "### rank-1 %: arms among themselves" in text
    assert "| better, minus beside " in text
    assert "A note." in text


def test_arms_are_compared_among_themselves_where_the_study_asks(kept):
    (found,) = of_contrasts(STUDY, kept, "accuracy")
    numbers = {(row.arm, row.seed): row.numbers["accuracy"] for row in kept.rows}
    assert (found.arm, found.other) == ("better", "beside")
    assert found.differences == [numbers["better", seed] - numbers["beside", seed] for seed in range(4)]


def test_what_is_described_is_the_mean_over_seeds_with_students_interval(kept):
    for row in kept.rows:
        row.numbers["fnir"] = {"control": 50.0, "better": 48.0 + row.seed}.get(row.arm, 50.0)
    text = text_of(STUDY, kept)
    low, high = stats.t.interval(0.95, 3, loc=-0.5, scale=stats.sem([-2, -1, 0, 1]))
    assert f"-0.500 ({low:+.3f} .. {high:+.3f})" in text


def test_what_older_rows_lack_is_not_described_and_starts_are_no_arms_time(kept):
    for row in kept.rows[8:]:
        row.numbers["d_prime"] = 2.0
        if row.arm == "same":
            del row.numbers["d_prime"]
    start = dict(kept.rows[0].made_with) | {"seconds": "1"}
    numbers = {"rank_1": 1.0, "accuracy": 1.0}
    kept.rows += [Row("start", seed, start, numbers, kept.rows[0].right) for seed in range(30)]
    text = text_of(STUDY, kept)
    assert "+0.000 (+0.000 .. +0.000)" in text  # better minus control, of the two seeds that have it
    assert "an arm took 60 s (median)" in text


def test_with_one_seed_there_is_nothing_to_compare_yet(kept):
    kept.rows = kept.rows[:4]
    assert "No two seeds have the control and another arm yet." in text_of(STUDY, kept)
