"""Two models' FNIR at one FPIR, each at its own threshold: both thresholds' errors count."""

from __future__ import annotations

import numpy as np
import pytest

from eval.identify.fnir_difference import Scores, fnir_difference
from eval.intervals import difference_by_subject
from eval.search_statistics import missed, open_set_point

PEOPLE = np.repeat(np.arange(300), 5)


def drawn(generator, unknown: int, spread: float = 0.06, gain: float = 0.0) -> Scores:
    level = generator.normal(size=300)[PEOPLE] + generator.normal(size=1500)
    return Scores(
        0.5 + 0.085 * (level + gain), np.zeros(1500, int), 0.25 + spread * generator.normal(size=unknown)
    )


def difference(models, unknown: int, fpir: float = 0.01, rank: int | None = None):
    return fnir_difference(models[0], models[1], PEOPLE, 300 + np.arange(unknown), fpir, rank)


def kept(models, unknown: int, fpir: float):
    lost = [
        missed(
            each.mate_score,
            each.above,
            open_set_point(
                each.mate_score, each.above, PEOPLE, each.highest, 300 + np.arange(unknown), fpir
            ).threshold,
            None,
        )
        for each in models
    ]
    return difference_by_subject(lost[0], lost[1], PEOPLE)


def test_two_equal_models_differ_in_about_5_of_100_cases():
    generator = np.random.default_rng(1)
    ours = given = 0
    for _ in range(200):
        models = [drawn(generator, 100) for _ in range(2)]
        ours += difference(models, 100, 0.1).p_value < 0.05
        given += kept(models, 100, 0.1).p_value < 0.05
    assert ours / 200 <= 0.08
    assert given / 200 >= 0.1  # thresholds taken as given


def test_a_threshold_without_an_error_leaves_the_difference_of_the_searches():
    generator = np.random.default_rng(2)
    models = [drawn(generator, 5000, spread=1e-9, gain=gain) for gain in (0, 0.3)]
    ours, alone = difference(models, 5000), kept(models, 5000, 0.01)
    assert ours.difference == alone.difference
    assert ours.interval == pytest.approx(alone.interval, rel=1e-6)
    assert ours.p_value == pytest.approx(alone.p_value, rel=1e-6)


def test_p_is_below_5_in_100_just_where_the_interval_is_without_0():
    generator = np.random.default_rng(3)
    both = [
        difference([drawn(generator, 1000), drawn(generator, 1000, gain=gain)], 1000)
        for gain in np.linspace(0, 0.8, 60)
    ]
    without = [not low <= 0 <= high for low, high in (each.interval for each in both)]
    assert [each.p_value < 0.05 for each in both] == without
    assert 10 < sum(without) < 60


def test_turned_around_the_difference_is_the_opposite():
    generator = np.random.default_rng(4)
    models = [drawn(generator, 500), drawn(generator, 500, gain=0.5)]
    one, other = difference(models, 500, 0.1), difference(models[::-1], 500, 0.1)
    assert one.difference == -other.difference < 0
    assert one.interval == pytest.approx((-other.interval[1], -other.interval[0]))
    assert one.p_value == pytest.approx(other.p_value)


def test_what_both_thresholds_have_in_common_makes_the_interval_shorter():
    generator = np.random.default_rng(5)
    first, second = drawn(generator, 500), drawn(generator, 500)
    same = Scores(second.mate_score, second.above, first.highest)
    lengths = [
        high - low for low, high in (difference([first, each], 500, 0.1).interval for each in (second, same))
    ]
    assert lengths[1] < 0.95 * lengths[0]


def test_so_few_unknown_people_that_no_threshold_is_strict_enough_tell_nothing():
    generator = np.random.default_rng(6)
    found = difference([drawn(generator, 200), drawn(generator, 200)], 200)
    assert found.interval[0] < -0.3
    assert found.interval[1] > 0.3
    assert found.p_value > 0.2
