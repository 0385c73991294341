"""Operating points against scikit-learn, scipy and slow loops."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import brentq
from sklearn.metrics import roc_auc_score, roc_curve

from eval import statistics as v


def drawn_scores(seed: int, num_pairs: int = 400, ties: bool = False) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    genuine = generator.random(num_pairs) < 0.4
    scores = generator.normal(size=num_pairs) + 1.2 * genuine
    return (np.round(scores, 1) if ties else scores), genuine


def test_the_points_that_are_shown_leave_no_gap_in_the_far_where_the_curve_has_none():
    # as of a search: of 400,000 impostors each FAR up to 1e-3, then those at which cells of a grid begin
    far = np.concatenate([np.arange(400_001) / 4e8, np.geomspace(1.001e-3, 1, 5_000)])
    curve = v.Roc(np.linspace(1, -1, len(far)), far, np.sqrt(far))
    shown = v.shown_points(curve)
    assert 250 <= len(shown) <= 301
    assert (shown[0], shown[-1]) == (0, len(far) - 1)
    step = 4e8 ** (1 / 299)
    gaps = far[shown[2:]] / far[shown[1:-1]]
    assert (gaps[far[shown[1:-1]] > 1e-7] < step**2.1).all()


def test_of_a_short_curve_each_far_is_shown_with_its_highest_tar():
    scores, genuine = drawn_scores(1)
    curve = v.roc(scores, genuine)
    shown = v.shown_points(curve)
    assert curve.far[shown].tolist() == np.unique(curve.far).tolist()
    assert all(curve.tar[point] == curve.tar[curve.far == curve.far[point]].max() for point in shown)


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
