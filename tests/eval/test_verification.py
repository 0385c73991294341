"""Statistics against scikit-learn, scipy and slow loops."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import brentq
from scipy.stats import binomtest
from sklearn.metrics import roc_auc_score, roc_curve

from eval import verification as v
from eval.people import People


def drawn_scores(seed: int, num_pairs: int = 400, ties: bool = False) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    genuine = generator.random(num_pairs) < 0.4
    scores = generator.normal(size=num_pairs) + 1.2 * genuine
    return (np.round(scores, 1) if ties else scores), genuine


@pytest.mark.parametrize("ties", [False, True])
def test_roc_has_every_operating_point_of_scikit_learn(ties):
    scores, genuine = drawn_scores(1, ties=ties)
    far, tar, threshold = roc_curve(genuine, scores, drop_intermediate=False)
    curve = v.roc(scores, genuine)
    np.testing.assert_array_equal(curve.threshold, threshold)
    np.testing.assert_allclose(curve.far, far, rtol=0, atol=1e-15)
    np.testing.assert_allclose(curve.tar, tar, rtol=0, atol=1e-15)


@pytest.mark.parametrize("ties", [False, True])
def test_area_under_curve_is_the_share_of_ordered_pairs_and_scikit_learns(ties):
    scores, genuine = drawn_scores(2, 120, ties)
    ordered = [
        1.0 if high > low else 0.5 if high == low else 0.0
        for high in scores[genuine]
        for low in scores[~genuine]
    ]
    area = v.area_under_curve(v.roc(scores, genuine))
    assert area == pytest.approx(np.mean(ordered), abs=1e-14)
    assert area == pytest.approx(roc_auc_score(genuine, scores), abs=1e-14)


@pytest.mark.parametrize("seed", range(5))
def test_equal_error_rate_is_where_scikit_learns_curve_crosses_the_diagonal(seed):
    scores, genuine = drawn_scores(seed, ties=seed % 2 == 0)
    far, tar, _ = roc_curve(genuine, scores)
    # The root in the curve's own length, as the curve may be upright where it crosses.
    position = np.arange(len(far))
    root = brentq(
        lambda t: np.interp(t, position, far) + np.interp(t, position, tar) - 1, 0, len(far) - 1, xtol=1e-12
    )
    expected = np.interp(root, position, far)
    assert v.equal_error_rate(v.roc(scores, genuine)) == pytest.approx(expected, abs=1e-9)


def test_separated_scores_have_no_error_and_reversed_ones_nothing_else():
    genuine = np.array([True, True, False, False])
    right, wrong = v.roc(np.array([4.0, 3, 2, 1]), genuine), v.roc(np.array([1.0, 2, 3, 4]), genuine)
    assert (v.area_under_curve(right), v.equal_error_rate(right)) == (1, 0)
    assert (v.area_under_curve(wrong), v.equal_error_rate(wrong)) == (0, 1)


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("far", [1.0, 0.3, 0.1, 0.05, 0.01, 0.001])
def test_tar_at_far_is_the_best_over_all_thresholds(ties, far):
    scores, genuine = drawn_scores(3, ties=ties)
    best_tar, best_threshold = 0.0, None
    for threshold in sorted(scores, reverse=True):
        accepted_impostors = sum(s >= threshold for s in scores[~genuine])
        accepted_genuine = sum(s >= threshold for s in scores[genuine])
        if accepted_impostors / sum(~genuine) <= far:
            best_tar, best_threshold = accepted_genuine / sum(genuine), threshold
    point = v.tar_at_far(v.roc(scores, genuine), far, int(sum(~genuine)))
    assert point.tar == pytest.approx(best_tar, abs=1e-15)
    assert point.threshold == best_threshold
    if best_threshold is not None:
        assert point.false_accepts == sum(scores[~genuine] >= best_threshold)


def test_tar_is_zero_without_threshold_when_an_impostor_pair_has_the_highest_score():
    point = v.tar_at_far(v.roc(np.array([3.0, 2, 1]), np.array([False, True, False])), 0.1, 2)
    assert (point.tar, point.threshold, point.false_accepts) == (0, None, 0)


@pytest.mark.parametrize(
    ("far", "impostors", "expected"),
    [
        (1e-1, 3000, "resolved"),
        (1e-2, 3000, "resolved"),
        (1e-3, 3000, "coarse"),
        (1e-4, 3000, "unresolved"),
        (1e-3, 1000, "coarse"),
        (1e-2, 1000, "resolved"),
    ],
)
def test_far_needs_one_expected_false_accept_to_be_seen_and_ten_to_be_measured(far, impostors, expected):
    assert v.resolution(far, impostors) == expected


@pytest.mark.parametrize("cosine", [-1.0, -0.3, 0.0, 0.7, 1.0])
def test_l2_between_unit_embeddings_follows_from_the_cosine(cosine):
    first, second = np.array([1.0, 0.0]), np.array([cosine, np.sqrt(1 - cosine**2)])
    assert v.cosine_to_l2(cosine) == pytest.approx(np.linalg.norm(first - second), abs=1e-12)


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
    for person in range(people.count):
        total = 0.0
        for a, b, right in zip(people.first, people.second, correct, strict=True):
            if person in (a, b):
                total += (0 if right else 1) - error
        variance += total**2
    for a, b, right in zip(people.first, people.second, correct, strict=True):
        if a != b:
            variance -= ((0 if right else 1) - error) ** 2
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


def test_people_who_share_nothing_and_models_without_error_have_no_design_effect():
    alone = People(np.arange(60), np.arange(60), 60, True, "by hand")
    fold = np.arange(60) % 10
    assert v.design_effect(np.arange(60) > 5, fold, alone) == pytest.approx(1)
    assert v.design_effect(np.ones(60, dtype=bool), fold, alone) == 1
    assert v.design_effect(np.zeros(60, dtype=bool), fold, alone) == 1


@pytest.mark.parametrize(("base", "other"), [(0, 0), (0, 5), (7, 7), (3, 12), (40, 22), (0, 1), (900, 1000)])
def test_mcnemar_is_scipys_two_sided_binomial_test(base, other):
    expected = binomtest(base, base + other, 0.5).pvalue if base + other else 1.0
    assert v.mcnemar(base, other) == pytest.approx(expected, rel=1e-10)


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


@pytest.mark.parametrize(
    ("scores", "genuine", "message"),
    [
        ([1.0, 2.0], [True, True], "all pairs are of one kind"),
        ([1.0, np.nan], [True, False], "1 of 2 scores are not finite"),
        ([1.0, 2.0, 3.0], [True, False], r"scores \(3,\) and genuine \(2,\)"),
    ],
)
def test_unusable_scores_are_refused(scores, genuine, message):
    with pytest.raises(ValueError, match=message):
        v.roc(np.array(scores), np.array(genuine))
