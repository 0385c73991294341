"""The difference of two rates at thresholds that were measured: its three errors and their correlations."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.special import stdtrit

from eval.intervals import difference_of_counts
from eval.statistics import roc, tar_at_far
from eval.threshold_differences import AtThreshold, difference_at_thresholds, parts_of_counts
from eval.threshold_intervals import crossed, tar_intervals

PEOPLE = 40


def drawn(rng, common: float = 0.0, trials: int = 12, share: float = 0.7):
    """Two models' counts, with thresholds that have so much of their error in common."""
    both = rng.standard_normal(PEOPLE)
    rates = []
    for gain in (0.0, 0.02):
        parts = math.sqrt(common) * both + math.sqrt(1 - common) * rng.standard_normal(PEOPLE)
        counts = rng.binomial(trials, np.clip(share + gain + 0.1 * rng.standard_normal(PEOPLE), 0, 1))
        rate = counts.sum() / (trials * PEOPLE)
        parts /= np.linalg.norm(parts)
        rates.append(AtThreshold(counts, (rate + 0.04 + gain, rate - 0.06), parts))
    return *rates, np.full(PEOPLE, trials)


def test_the_errors_of_the_difference_and_of_either_threshold_are_added_with_their_correlations():
    for seed in range(20):
        first, second, trials = drawn(np.random.default_rng(seed), common=0.8)
        found = difference_at_thresholds(first, second, trials)
        gain = second.counts - first.counts
        kept = difference_of_counts(gain, trials)
        errors = gain - trials * kept.difference
        shown = min(np.sum(each.parts**2) ** 2 / np.sum(each.parts**4) for each in (first, second))
        r = np.dot(first.parts, second.parts)
        r = max(0, math.tanh(math.atanh(r) - 1.96 / math.sqrt(shown - 3)))  # Fisher's lower end
        with_first = np.dot(errors, first.parts) / np.linalg.norm(errors)
        with_second = np.dot(errors, second.parts) / np.linalg.norm(errors)
        rates = [each.counts.sum() / trials.sum() for each in (first, second)]
        # To lower the difference, the first model's rate rises and the second one's falls.
        alone = kept.difference - kept.interval[0]
        moves = np.array([alone, first.ends[0] - rates[0], rates[1] - second.ends[1]])
        matrix = np.array(
            [
                [1, max(0, -with_first), max(0, with_second)],
                [max(0, -with_first), 1, -r],
                [max(0, with_second), -r, 1],
            ]
        )
        assert found.difference == pytest.approx(rates[1] - rates[0])
        assert found.interval[0] == pytest.approx(found.difference - math.sqrt(moves @ matrix @ moves))
        if found.difference > 0 and found.p_value > kept.p_value:
            t = found.difference / (found.difference - found.interval[0]) * stdtrit(PEOPLE - 1, 0.975)
            assert stdtrit(PEOPLE - 1, 1 - found.p_value / 2) == pytest.approx(t)


def test_a_threshold_without_an_error_leaves_the_difference_of_the_counts():
    first, second, trials = drawn(np.random.default_rng(1))
    sure = [
        AtThreshold(each.counts, (each.counts.sum() / trials.sum(),) * 2, each.parts)
        for each in (first, second)
    ]
    kept = difference_of_counts(second.counts - first.counts, trials)
    found = difference_at_thresholds(sure[0], sure[1], trials)
    assert found.interval == pytest.approx(kept.interval)
    assert found.p_value == pytest.approx(kept.p_value)


def test_turned_around_the_difference_is_the_opposite():
    first, second, trials = drawn(np.random.default_rng(2), common=0.5)
    one, other = (
        difference_at_thresholds(first, second, trials),
        difference_at_thresholds(second, first, trials),
    )
    assert one.difference == -other.difference
    assert one.interval == pytest.approx((-other.interval[1], -other.interval[0]))
    assert one.p_value == pytest.approx(other.p_value)


def test_what_no_subject_adds_to_a_thresholds_error_is_not_common_to_both_models():
    first, second, trials = drawn(np.random.default_rng(3))
    lengths = []
    for share in (1.0, 0.8, 0.0):  # of subjects in the thresholds' variance
        parts = math.sqrt(share) * first.parts
        one, other = (AtThreshold(each.counts, each.ends, parts) for each in (first, second))
        low, high = difference_at_thresholds(one, other, trials).interval
        lengths.append(high - low)
    assert lengths[0] < 0.9 * lengths[1]
    assert lengths[1] < lengths[2]


def test_subjects_without_a_trial_move_the_threshold_alone():
    first, second, trials = drawn(np.random.default_rng(4), common=0.9)
    more = [
        AtThreshold(np.append(each.counts, [0, 0]), each.ends, np.append(each.parts, [0, 0]))
        for each in (first, second)
    ]
    found = difference_at_thresholds(more[0], more[1], np.append(trials, [0, 0]))
    assert found == difference_at_thresholds(first, second, trials)


def test_parts_of_counts_are_relative_to_the_standard_deviation():
    parts = parts_of_counts(np.array([2, 0, 1]), np.array([4, 4, 8]))
    error = np.array([2 - 0.75, -0.75, 1 - 1.5])
    np.testing.assert_allclose(parts, error / np.linalg.norm(error))
    assert not parts_of_counts(np.zeros(3), np.array([4, 4, 8])).any()


def test_two_equal_models_differ_in_tar_in_about_5_of_100_cases():
    rng = np.random.default_rng(5)
    person, photos, distractors = np.repeat(np.arange(30), 4), np.full(30, 4), 60
    owner = np.repeat(np.arange(30), 6)  # pairs of a person's photos
    trials, draws = np.full(30, 6), 200
    ours = given = 0
    for _ in range(draws):
        rates = []
        for _ in range(2):
            scores = 0.4 * rng.standard_normal(30)[person][:, None]
            scores = scores + 0.9 * rng.standard_normal((len(person), distractors))
            genuine = 2.5 + 0.4 * rng.standard_normal(30)[owner] + 0.9 * rng.standard_normal(len(owner))
            highest = scores[scores > 1]
            curve = roc(np.append(genuine, highest), np.arange(len(owner) + len(highest)) < len(owner))
            curve = type(curve)(curve.threshold, curve.far * len(highest) / scores.size, curve.tar)
            point = tar_at_far(curve, 0.01, scores.size)
            threshold = np.inf if point.threshold is None else point.threshold
            probe, distractor = np.nonzero(scores >= threshold)
            false = crossed(len(probe) / scores.size, person[probe], distractor, photos, distractors)
            accepted = genuine >= threshold
            sure = tar_intervals(point, curve, accepted, owner, false)
            rates.append(AtThreshold(np.bincount(owner, accepted), sure.tar_at_threshold, -false.parts))
        ours += difference_at_thresholds(rates[0], rates[1], trials).p_value < 0.05
        given += difference_of_counts(rates[1].counts - rates[0].counts, trials).p_value < 0.05
    assert ours / draws <= 0.06
    assert given / draws >= 0.08  # thresholds taken as given
