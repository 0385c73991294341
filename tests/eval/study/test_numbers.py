"""A study's intervals and p-values against slow formulas, published numbers and simulations."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from eval.study.numbers import (
    detectable,
    detectable_by_people,
    holm,
    over_both,
    over_pairs,
    over_searches,
    over_seeds,
)


def test_over_seeds_it_is_the_paired_t_test():
    one, other = np.array([83.1, 84.0, 82.2, 83.9, 85.0]), np.array([83.4, 84.1, 82.9, 84.6, 84.9])
    found = over_seeds((other - one).tolist())
    expected = stats.ttest_rel(other, one)
    assert found.p_value == pytest.approx(expected.pvalue)
    interval = expected.confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high))


def test_an_interval_for_other_seeds_and_people_covers_both_and_is_students_with_one_source():
    random, covered = np.random.default_rng(0), 0
    for _ in range(1000):
        people = random.normal(0, 0.1)
        low, high = over_both(random.normal(0.5 + people, 0.25, 6), 0.1)
        covered += low <= 0.5 <= high
    assert 0.94 <= covered / 1000 <= 0.99
    values = [0.1, 0.4, 0.3]
    assert over_both(values, 0.0) == pytest.approx((over_seeds(values).low, over_seeds(values).high))


def test_equal_differences_show_no_spread_and_prove_nothing():
    assert over_seeds([0.0, 0.0, 0.0]).p_value == 1
    found = over_seeds([0.5, 0.5])
    assert (found.low, found.high, found.p_value) == (-np.inf, np.inf, 1)


def test_pairs_of_different_people_have_the_interval_of_independent_gains():
    random = np.random.default_rng(0)
    gain = random.choice([-1.0, -0.5, 0.0, 0.0, 0.0, 0.5, 1.0], 2000)
    pairs = np.stack([np.arange(2000) % 10, np.arange(2000), 2000 + np.arange(2000)], axis=1)
    found = over_pairs(gain, pairs)
    error = gain.std() / np.sqrt(len(gain))
    assert (found.low, found.high) == pytest.approx(
        (gain.mean() - 1.96 * error, gain.mean() + 1.96 * error), rel=1e-3
    )
    assert found.p_value == pytest.approx(2 * stats.norm.sf(abs(gain.mean()) / error), rel=1e-3)


def test_pairs_that_share_people_and_gain_together_widen_the_interval():
    random = np.random.default_rng(0)
    of_person = random.choice([-1.0, 0.0, 0.0, 1.0], 100)
    person = np.repeat(np.arange(100), 20)
    together = over_pairs(of_person[person], np.stack([person % 10, person, person], axis=1))
    apart = over_pairs(of_person[person], np.stack([person % 10, *2 * [np.arange(2000)]], axis=1))
    assert together.high - together.low > 4 * (apart.high - apart.low)  # sqrt(20) times, about


def test_searches_of_a_person_count_together():
    random = np.random.default_rng(0)
    of_person = random.choice([-1.0, 0.0, 0.0, 1.0], 400)
    together = over_searches(np.repeat(of_person, 5), np.repeat(np.arange(400), 5))
    error = of_person.std(ddof=1) / 20
    assert together.high - together.low == pytest.approx(2 * 1.966 * error, rel=0.03)


def test_intervals_of_averaged_gains_cover_as_often_as_they_say():
    """Of people with few and with many searches, by simulation: gains are means over six seeds, sixths."""
    random, true, means, found = np.random.default_rng(0), -0.004, [], []
    for _ in range(400):
        searches = 1 + random.geometric(0.3, 300)
        of_person = (random.random(300) < 0.1) * np.where(random.random(300) < 0.4, 1, -1)
        person = np.repeat(np.arange(300), searches)
        gain = (random.random((6, len(person))) < 0.2).mean(0) * of_person[person]
        means.append(gain.mean())
        found.append(over_searches(gain, person))
    assert 0.93 <= np.mean([each.low <= true <= each.high for each in found]) <= 0.98
    # Gains of six seeds taken for those of one model would have errors 20 % too large.
    assert np.mean([each.error for each in found]) == pytest.approx(np.std(means), rel=0.1)


def test_nothing_gained_is_no_difference():
    pairs = np.stack([np.arange(20) % 2, np.arange(20), np.arange(20)], axis=1)
    assert over_pairs(np.zeros(20), pairs).p_value == over_searches(np.zeros(20), np.arange(20)).p_value == 1


def test_holms_adjustment_is_that_of_a_known_example_and_keeps_the_order():
    # 0.01, 0.04, 0.03, 0.005 by R's p.adjust(method = "holm")
    found = holm({"a": 0.01, "b": 0.04, "c": 0.03, "d": 0.005})
    assert list(found) == ["a", "b", "c", "d"]
    assert list(found.values()) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm({"a": 0.7, "b": 0.9}) == {"a": 1.0, "b": 1.0}


def test_four_in_five_simulated_studies_find_the_effect_that_is_said_to_be_detectable():
    seeds, alpha, deviation = 6, 0.05, 0.3
    effect = detectable(deviation, seeds, alpha)
    drawn = np.random.default_rng(0).normal(effect, deviation, (4000, seeds))
    found = np.asarray(stats.ttest_1samp(drawn, 0, axis=1)[1]) < alpha
    assert 0.78 < found.mean() < 0.82


def test_an_effect_that_has_to_pass_both_tests_is_found_by_four_in_five_too():
    seeds, alpha, deviation, error = 6, 0.05 / 12, 0.3, 0.1
    effect = detectable(deviation, seeds, alpha, people_error=error)
    assert effect > detectable(deviation, seeds, alpha)
    random = np.random.default_rng(0)
    drawn = random.normal(effect, deviation, (8000, seeds)) + random.normal(0, error, (8000, 1))
    by_seed = np.asarray(stats.ttest_1samp(drawn, 0, axis=1)[1]) < alpha
    by_people = 2 * stats.norm.sf(abs(drawn.mean(1)) / error) < alpha
    assert 0.78 < (by_seed & by_people).mean() < 0.82


def test_no_difference_is_above_the_share_on_which_two_disagree():
    assert math.isnan(detectable_by_people(0.01, 800, 0.05 / 12))


def test_by_people_too():
    trials, discordant, alpha = 4000, 0.05, 0.05
    effect = detectable_by_people(discordant, trials, alpha)
    better, worse = (discordant + effect) / 2, (discordant - effect) / 2
    counts = np.random.default_rng(0).multinomial(trials, [better, worse, 1 - discordant], 4000)
    z = (counts[:, 0] - counts[:, 1]) / np.sqrt(counts[:, 0] + counts[:, 1])
    assert 0.77 < (abs(z) > stats.norm.ppf(1 - alpha / 2)).mean() < 0.83
