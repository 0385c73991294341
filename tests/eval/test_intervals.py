"""Intervals and tests against scipy, slow loops, and drawn people."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom, binomtest, norm
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


@pytest.mark.parametrize("count", [2, 6, 20, 4000])
def test_few_people_have_students_quantile_in_wilsons_interval(count):
    people = People(np.arange(count), np.roll(np.arange(count), 1), count, True, "by hand")
    factor = v.few_people_factor(people)
    assert factor == pytest.approx((student.ppf(0.975, count - 1) / norm.ppf(0.975)) ** 2)
    z, share, n = student.ppf(0.975, count - 1), 0.1, 600
    middle = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    assert v.wilson(share, n / factor) == pytest.approx((middle - half, middle + half))


@pytest.mark.parametrize(
    ("true", "trials"), [(0.1, 60), (1e-3, 3000), (1e-2, 3000), (1e-4, 250), (1e-6, 10**9)]
)
def test_the_shares_that_may_be_seen_are_those_of_the_binomial_distributions_middle(true, trials):
    low, high = v.shares_seen(true, trials)
    fewest, most = binom.ppf([0.025, 0.975], trials, true)
    assert low == fewest / trials
    normal = true + norm.ppf(0.975) * np.sqrt(true * (1 - true) / trials)
    assert high == pytest.approx(max(most / trials, normal), rel=1e-12)
    assert binom.cdf(fewest - 1, trials, true) <= 0.025
    assert binom.sf(int(high * trials + 1e-9), trials, true) <= 0.025


def test_trials_that_count_as_few_may_come_singly():
    assert v.shares_seen(1e-4, 42)[1] > 1e-3  # where none of 42 is all that the binomial distribution has
    assert v.shares_seen(0.5, 0.3) == (0, 1)
