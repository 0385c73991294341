"""The difference of two models on the same pairs, against scipy, slow loops, and drawn people."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binomtest

from eval import paired_difference as v
from eval.intervals import few_people_factor
from eval.people import People


@pytest.mark.parametrize(("base", "other"), [(0, 0), (0, 5), (7, 7), (3, 12), (40, 22), (0, 1), (900, 1000)])
def test_mcnemar_is_scipys_two_sided_binomial_test(base, other):
    expected = binomtest(base, base + other, 0.5).pvalue if base + other else 1.0
    assert v.mcnemar(base, other) == pytest.approx(expected, rel=1e-10)


def test_mcnemar_of_divided_counts_is_that_of_as_many_pairs():
    assert v.mcnemar(4 * 3, 4 * 12, 4.0) == pytest.approx(v.mcnemar(3, 12), rel=1e-12)
    assert v.mcnemar(9, 30, 1.0) < v.mcnemar(9, 30, 1.5) < v.mcnemar(9, 30, 3.0)


def test_where_nobody_is_in_two_pairs_the_difference_is_that_of_independent_pairs():
    generator = np.random.default_rng(3)
    base, other, fold = generator.random(60) < 0.7, generator.random(60) < 0.8, np.arange(60) % 10
    alone = People(np.arange(60), np.where(fold < 5, np.arange(60), np.arange(60, 120)), 120, True, "by hand")
    assert few_people_factor(alone) == 1
    result = v.paired_difference(base, other, fold, alone)
    assert result == v.paired_difference(base, other, fold)
    assert result.p_value == result.mcnemar_p_value


def test_each_pair_copied_k_times_says_no_more_than_once():
    generator = np.random.default_rng(4)
    base, other, person = generator.random(600) < 0.75, generator.random(600) < 0.8, np.arange(600)
    once = v.paired_difference(base, other, np.zeros(600, int))
    people = People(np.tile(person, 4), np.tile(person, 4), 600, True, "by hand")
    result = v.paired_difference(np.tile(base, 4), np.tile(other, 4), np.zeros(2400, int), people)
    assert result.design_effect == pytest.approx(4)
    assert result.p_value == pytest.approx(once.p_value, rel=0.1)
    assert result.mcnemar_p_value < once.p_value / 2
    assert result.interval == pytest.approx(once.interval, abs=0.003)


@pytest.mark.parametrize(("count", "sd", "most"), [(20, 1.5, 8), (60, 1.0, 8), (1000, 1.0, 8)])
def test_two_equal_models_differ_in_about_5_of_100_cases_however_many_people(count, sd, most):
    generator = np.random.default_rng(count)
    genuine, fold, cases = np.arange(600) < 300, np.arange(600) % 10, 400
    p_values = np.empty((cases, 2))
    for case in range(cases):
        first = generator.integers(0, count, 600)
        second = np.where(genuine, first, (first + generator.integers(1, count, 600)) % count)
        people = People(first, second, count, True, "by hand")
        right = []
        for _ in range(2):
            own, among = sd * generator.normal(size=(2, count))
            logit = np.where(genuine, own[first], among[first] + among[second]) - 2.5
            right.append(generator.random(600) >= 1 / (1 + np.exp(-logit)))
        result = v.paired_difference(right[0], right[1], fold, people, resamples=1)
        p_values[case] = result.p_value, result.mcnemar_p_value
    shares = 100 * np.mean(p_values < 0.05, axis=0)
    assert 1 <= shares[0] <= most
    if count <= 60:
        assert shares[1] > 10  # as if pairs were independent


def test_paired_difference_agrees_with_resampling_pairs_together():
    generator = np.random.default_rng(6)
    fold = np.repeat(np.arange(3), 60)
    base = generator.random(180) < 0.8
    other = np.where(generator.random(180) < 0.15, ~base, base)
    means = []
    for _ in range(4000):
        gains = []
        for index in range(3):
            inside = np.flatnonzero(fold == index)
            drawn = inside[generator.integers(0, len(inside), len(inside))]
            gains.append(other[drawn].mean() - base[drawn].mean())
        means.append(np.mean(gains))
    result = v.paired_difference(base, other, fold)
    assert result.difference == pytest.approx(other.mean() - base.mean(), abs=1e-15)
    assert result.interval == pytest.approx(np.quantile(means, [0.025, 0.975]), abs=0.006)
    assert result.only_base == sum(b and not o for b, o in zip(base, other, strict=True))
    assert result.only_other == sum(o and not b for b, o in zip(base, other, strict=True))


def test_as_many_gained_as_lost_are_exactly_nothing():
    base, other, fold = np.ones(6000, dtype=bool), np.ones(6000, dtype=bool), np.arange(6000) // 600
    base[np.arange(8) * 600] = False
    other[[603, 3003]] = False
    result = v.paired_difference(base, other, fold)
    assert (result.only_other, result.only_base) == (8, 2)
    assert result.interval[0] == 0  # and not 2e-20, which would exclude 0
    assert result.difference == 6 / 6000
    uneven = np.minimum(np.arange(6000) // 537, 9)
    assert v.paired_difference(base, other, uneven).interval[0] <= 0


def test_folds_of_any_sizes_have_a_common_unit():
    sizes = [509, 521, 523, 541, 547, 557, 563, 569, 571, 577]  # primes: the unit is a number of 28 digits
    fold = np.repeat(np.arange(10), sizes)
    base = np.arange(len(fold)) % 9 > 0
    result = v.paired_difference(base, ~base | (np.arange(len(fold)) % 2 > 0), fold)
    expected = np.mean([result_of(base, fold, k) for k in range(10)])
    assert result.difference == pytest.approx(expected, abs=1e-15)


def result_of(base: np.ndarray, fold: np.ndarray, index: int) -> float:
    other = ~base | (np.arange(len(fold)) % 2 > 0)
    return other[fold == index].mean() - base[fold == index].mean()


def test_a_model_does_not_differ_from_itself():
    correct = np.arange(50) % 3 > 0
    result = v.paired_difference(correct, correct, np.arange(50) % 10)
    assert (result.difference, result.interval, result.p_value) == (0, (0, 0), 1)
