"""Intervals and tests against scipy, slow loops, and drawn people."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binomtest, norm
from scipy.stats import t as student

from eval import intervals as v
from eval.people import People


@pytest.mark.parametrize(("wrong", "count"), [(0, 6000), (2, 6000), (37, 6000), (60, 600), (40, 40)])
def test_interval_of_independent_pairs_is_scipys_wilson_interval(wrong, count):
    correct = np.arange(count) >= wrong
    expected = binomtest(count - wrong, count).proportion_ci(0.95, method="wilson")
    assert v.accuracy_interval(correct, np.arange(count) % 10) == pytest.approx(tuple(expected), abs=1e-12)


def test_interval_without_an_error_ends_at_one_and_begins_below():
    low, high = v.accuracy_interval(np.ones(6000, dtype=bool), np.arange(6000) % 10)
    assert high == 1
    assert low == pytest.approx(0.99936, abs=1e-5)


def test_folds_of_other_sizes_weigh_in_the_interval_as_in_the_mean():
    fold = np.repeat([0, 1], [100, 20])
    correct = np.arange(120) % 100 >= 10
    low, high = v.accuracy_interval(correct, fold)
    assert low < (0.9 + 0.5) / 2 < high
    expected = v.wilson(0.7, 1 / (100 * (1 / 200) ** 2 + 20 * (1 / 40) ** 2))
    assert (low, high) == pytest.approx(expected, abs=1e-12)


def drawn_people(seed: int, num_pairs: int = 300) -> tuple[People, np.ndarray]:
    generator = np.random.default_rng(seed)
    first = generator.integers(0, 40, num_pairs)
    second = np.where(generator.random(num_pairs) < 0.5, first, generator.integers(0, 40, num_pairs))
    return People(first, second, 40, True, "by hand"), generator.random(num_pairs) < 0.8


@pytest.mark.parametrize("seed", range(3))
def test_design_effect_is_the_slow_sum_over_people_and_pairs(seed):
    people, correct = drawn_people(seed)
    error, n = np.mean(~correct), len(correct)
    variance = 0.0
    rows = list(zip(people.first, people.second, ~correct - error, strict=True))
    for a, b, residual in rows:
        variance += sum(residual * r for c, d, r in rows if {a, b} & {c, d})
    expected = max(1, variance / (n * error * (1 - error)))
    assert v.design_effect(correct, np.arange(n) % 10, people) == pytest.approx(expected, rel=1e-12)


def test_pairs_copied_k_times_of_the_same_people_are_worth_one_each():
    correct, copies = np.arange(400) % 10 > 0, 3
    fold = np.tile(np.arange(400) % 10, copies)
    person = np.tile(np.arange(400), copies)
    people = People(person, person, 400, True, "by hand")
    effect = v.design_effect(np.tile(correct, copies), fold, people)
    assert effect == pytest.approx(copies)
    interval = v.accuracy_interval(np.tile(correct, copies), fold, effect)
    assert interval == pytest.approx(v.accuracy_interval(correct, np.arange(400) % 10))


def test_pairs_copied_k_times_of_the_same_two_people_are_worth_one_each():
    correct, copies = np.arange(400) % 10 > 0, 3
    first = np.tile(np.arange(0, 800, 2), copies)
    second = first + 1
    second[:400], first[:400] = first[:400], second[:400].copy()  # whoever comes first
    people = People(first, second, 800, True, "by hand")
    effect = v.design_effect(np.tile(correct, copies), np.tile(np.arange(400) % 10, copies), people)
    assert effect == pytest.approx(copies)


def test_people_who_share_nothing_have_no_design_effect():
    alone = People(np.arange(60), np.arange(60), 60, True, "by hand")
    fold = np.arange(60) % 10
    assert v.design_effect(np.arange(60) > 5, fold, alone) == pytest.approx(1)
    assert v.design_effect(np.ones(60, dtype=bool), fold, alone) == 1
    assert v.design_effect(np.zeros(60, dtype=bool), fold, alone) == 1


@pytest.mark.parametrize("right", [True, False])
def test_where_all_pairs_are_alike_there_are_as_many_trials_as_people(right):
    first, second = np.triu_indices(13, k=1)
    people = People(first, second, 20, True, "by hand")  # 13 of the 20 are in the 78 pairs
    correct, fold = np.full(78, right), np.zeros(78, dtype=int)
    effect = v.design_effect(correct, fold, people)
    assert effect == pytest.approx(78 / 13)
    assert v.accuracy_interval(correct, fold, effect) == pytest.approx(v.wilson(float(right), 13))


@pytest.mark.parametrize(("base", "other"), [(0, 0), (0, 5), (7, 7), (3, 12), (40, 22), (0, 1), (900, 1000)])
def test_mcnemar_is_scipys_two_sided_binomial_test(base, other):
    expected = binomtest(base, base + other, 0.5).pvalue if base + other else 1.0
    assert v.mcnemar(base, other) == pytest.approx(expected, rel=1e-10)


def test_mcnemar_of_divided_counts_is_that_of_as_many_pairs():
    assert v.mcnemar(4 * 3, 4 * 12, 4.0) == pytest.approx(v.mcnemar(3, 12), rel=1e-12)
    assert v.mcnemar(9, 30, 1.0) < v.mcnemar(9, 30, 1.5) < v.mcnemar(9, 30, 3.0)


@pytest.mark.parametrize("count", [2, 6, 20, 4000])
def test_few_people_have_students_quantile_in_wilsons_interval(count):
    people = People(np.arange(count), np.roll(np.arange(count), 1), count, True, "by hand")
    factor = v.few_people_factor(people)
    assert factor == pytest.approx((student.ppf(0.975, count - 1) / norm.ppf(0.975)) ** 2)
    z, share, n = student.ppf(0.975, count - 1), 0.1, 600
    middle = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    assert v.wilson(share, n / factor) == pytest.approx((middle - half, middle + half))


def test_where_nobody_is_in_two_pairs_the_difference_is_that_of_independent_pairs():
    generator = np.random.default_rng(3)
    base, other, fold = generator.random(60) < 0.7, generator.random(60) < 0.8, np.arange(60) % 10
    alone = People(np.arange(60), np.where(fold < 5, np.arange(60), np.arange(60, 120)), 120, True, "by hand")
    assert v.few_people_factor(alone) == 1
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
