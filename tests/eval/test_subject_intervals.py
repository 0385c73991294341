"""Intervals and tests by subject: known numbers, limits, and how often they cover."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm, ttest_1samp
from scipy.stats import t as student

from eval import intervals as v


def test_subjects_of_one_search_each_have_wilsons_interval_with_students_quantile():
    value = np.arange(200) % 4 == 0
    factor = (student.ppf(0.975, 199) / norm.ppf(0.975)) ** 2
    # the ratio estimate divides by n - 1
    assert v.subject_interval(value, np.arange(200)) == pytest.approx(v.wilson(0.25, 199 / factor), abs=2e-3)


def test_searches_copied_k_times_say_no_more_than_once():
    generator = np.random.default_rng(0)
    value, subject = generator.random(300) < 0.7, np.arange(300) % 60
    copied = v.subject_interval(np.tile(value, 5), np.tile(subject, 5))
    assert copied == pytest.approx(v.subject_interval(value, subject), abs=1e-12)


@pytest.mark.parametrize("value", [False, True])
def test_where_all_are_alike_as_many_trials_as_subjects_are_counted(value):
    subject = np.repeat(np.arange(80), 43)
    low, high = v.subject_interval(np.full(len(subject), value), subject)
    factor = (student.ppf(0.975, 79) / norm.ppf(0.975)) ** 2
    assert (low, high) == pytest.approx(v.wilson(float(value), 80 / factor))
    assert high - low > 0.04


def test_one_subject_says_next_to_nothing_about_others():
    value = np.arange(1000) % 10 > 0
    low, high = v.subject_interval(value, np.zeros(1000, int))
    assert low < 0.02
    assert high > 0.98
    test = v.difference_by_subject(value, ~value, np.zeros(1000, int))
    assert (test.interval, test.p_value) == ((-1, 1), 1)


def unequal_subjects(generator: np.random.Generator, number: int) -> np.ndarray:
    """Numbers of searches: of 10 to 90 images each, leave one out, a tenth of them."""
    images = generator.integers(10, 90, number)
    return images * (images - 1) // 10


def test_the_interval_of_counts_is_that_of_the_searches():
    generator = np.random.default_rng(7)
    searches = generator.integers(1, 9, 50)
    true = generator.binomial(searches, 0.8)
    subject = np.repeat(np.arange(50), searches)
    value = np.concatenate([np.arange(n) < k for n, k in zip(searches, true, strict=True)])
    order = generator.permutation(len(value))
    expected = v.interval_of_counts(true, searches)
    assert v.subject_interval(value[order], 3 * subject[order]) == pytest.approx(expected, abs=1e-14)


@pytest.mark.parametrize("share", [0.5, 0.1, 0.01])
@pytest.mark.parametrize("correlation", [0.02, 0.1, 0.4])
def test_the_interval_covers_what_it_promises_where_subjects_have_unequal_numbers(share, correlation):
    generator = np.random.default_rng([round(100 * share), round(100 * correlation)])
    covered, as_if_independent, draws = 0, 0, 2000
    for _ in range(draws):
        searches = unequal_subjects(generator, 80)
        chance = generator.beta(share * (1 / correlation - 1), (1 - share) * (1 / correlation - 1), 80)
        true = generator.binomial(searches, chance)
        low, high = v.interval_of_counts(true, searches)
        covered += low <= share <= high
        low, high = v.wilson(true.sum() / searches.sum(), searches.sum())
        as_if_independent += low <= share <= high
    assert covered / draws >= 0.94
    assert as_if_independent / draws < 0.6


def test_the_difference_of_two_models_is_that_of_a_t_test_of_subjects_alike_in_number(monkeypatch):
    monkeypatch.setattr(v, "ADDED_SUBJECTS", 0)
    generator = np.random.default_rng(1)
    subject = np.repeat(np.arange(30), 20)
    base, other = generator.random((2, 600)) < np.array([[0.7], [0.76]])
    result = v.difference_by_subject(base, other, subject)
    gains = (other.astype(int) - base).reshape(30, 20).mean(axis=1)
    expected = ttest_1samp(gains, 0)
    assert result.difference == pytest.approx(gains.mean())
    assert result.p_value == pytest.approx(expected.pvalue, rel=1e-9)
    assert result.interval == pytest.approx(tuple(expected.confidence_interval()), rel=1e-9)


def test_a_model_does_not_differ_from_itself():
    value = np.arange(60) % 3 == 0
    result = v.difference_by_subject(value, value, np.arange(60) % 7)
    most = v.wilson(0.0, 7 / (student.ppf(0.975, 6) / norm.ppf(0.975)) ** 2)[1]  # of 7 people none differs
    assert (result.difference, result.p_value) == (0, 1)
    assert result.interval == pytest.approx((-most, most), rel=0.02)  # three of the seven have a search more


@pytest.mark.parametrize("share", [0.5, 0.1])
def test_two_equal_models_differ_in_about_5_of_100_cases(share):
    generator = np.random.default_rng(int(100 * share))
    found = 0
    for _ in range(400):
        searches = unequal_subjects(generator, 20)
        subject = np.repeat(np.arange(20), searches)
        logit = np.log(share / (1 - share)) + generator.normal(size=(3, 20))
        right = [
            generator.random(len(subject)) < 1 / (1 + np.exp(-(logit[0] + logit[model])))[subject]
            for model in (1, 2)
        ]
        found += v.difference_by_subject(right[0], right[1], subject).p_value < 0.05
    assert found / 400 <= 0.08


def test_subjects_who_all_gain_alike_have_the_sign_tests_p_and_no_interval():
    found = v.difference_by_subject(np.zeros(2, bool), np.ones(2, bool), np.arange(2))
    assert (found.difference, found.interval, found.p_value) == (1.0, (-1.0, 1.0), 0.5)
    assert v.difference_by_subject(np.zeros(9, bool), np.ones(9, bool), np.arange(9)).p_value == 2.0**-8


def test_a_difference_of_counts_is_that_of_the_searches():
    generator = np.random.default_rng(3)
    subject = generator.integers(0, 12, 300)
    base, other = generator.random((2, 300)) < 0.7
    gain = np.bincount(subject, other.astype(float) - base)
    assert v.difference_of_counts(gain, np.bincount(subject)) == v.difference_by_subject(base, other, subject)
    nothing = v.difference_of_counts(np.zeros(12), np.bincount(subject))
    assert (nothing.difference, nothing.p_value) == (0, 1)
    assert nothing.interval[0] == -nothing.interval[1] < 0
    assert v.difference_of_counts(np.zeros(1), np.array([40])).interval == (-1, 1)
