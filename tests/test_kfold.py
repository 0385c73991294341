from itertools import pairwise

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sklearn.model_selection import KFold

from sphereface_plus.kfold import (
    FoldsError,
    cosine_scores,
    folds_of,
    kfold_accuracy,
    ten_folds,
    ten_stretches,
)


def literal_kfold(scores, genuine, fold):
    """The rule of the docstring in plain loops: every candidate threshold against every pair."""
    per_fold, thresholds = [], []
    for number in sorted(set(fold)):
        training = [(s, g) for s, g, f in zip(scores, genuine, fold, strict=True) if f != number]
        distinct = sorted({s for s, _ in training})
        # Ascending, as the function has them: a mean's last bit is the order's, and may fall on a tied score.
        middles = [(a + b) / 2 for a, b in pairwise(distinct)]
        candidates = [np.nextafter(distinct[0], -np.inf), *middles, distinct[-1]]
        right = [sum((s > t) == g for s, g in training) for t in candidates]
        threshold = np.mean([t for t, r in zip(candidates, right, strict=True) if r == max(right)])
        test = [(s > threshold) == g for s, g, f in zip(scores, genuine, fold, strict=True) if f == number]
        per_fold.append(np.mean(test))
        thresholds.append(threshold)
    return per_fold, thresholds


@given(
    # Few distinct scores, so that ties are common.
    pairs=st.lists(st.tuples(st.integers(-4, 4), st.booleans(), st.integers(0, 3)), min_size=2, max_size=40)
)
# One that failed when the literal loop summed its candidates in another order.
@example(
    pairs=list(
        zip(
            [-4, -1, 2, 4, -3, 2, -3, -4],
            [True, False, True, False, False, False, True, False],
            [3, 1, 3, 3, 3, 1, 0, 3],
            strict=True,
        )
    )
)
@settings(max_examples=200, deadline=None)
def test_the_accuracy_is_that_of_the_literal_loops_ties_included(pairs):
    scores, genuine, fold = (list(column) for column in zip(*pairs, strict=True))
    scores = [score / 8 for score in scores]
    if len(set(genuine)) < 2 or len(set(fold)) < 2:
        return
    result = kfold_accuracy(np.array(scores), np.array(genuine), np.array(fold))
    per_fold, thresholds = literal_kfold(scores, genuine, fold)
    np.testing.assert_array_equal(result.thresholds, thresholds)
    np.testing.assert_array_equal(result.per_fold, per_fold)
    assert result.mean == pytest.approx(np.mean(per_fold))
    assert result.std == pytest.approx(np.std(per_fold))


def test_many_real_numbers_agree_with_the_literal_loops():
    rng = np.random.default_rng(0)
    genuine = rng.random(300) < 0.5
    scores, fold = rng.normal(size=300) + genuine, np.arange(300) % 5
    result = kfold_accuracy(scores, genuine, fold)
    per_fold, thresholds = literal_kfold(scores.tolist(), genuine.tolist(), fold.tolist())
    np.testing.assert_allclose(result.per_fold, per_fold, rtol=0, atol=1e-15)
    np.testing.assert_allclose(result.thresholds, thresholds, rtol=0, atol=1e-12)


def test_separable_scores_are_decided_in_the_middle_of_the_gap():
    scores, genuine = np.array([0.1, 0.2, 0.8, 0.9] * 2), np.array([False, False, True, True] * 2)
    result = kfold_accuracy(scores, genuine, np.arange(8) // 4)
    assert result.mean == 1.0
    assert result.std == 0.0
    np.testing.assert_allclose(result.thresholds, 0.5)


def test_the_threshold_does_not_see_the_fold_that_it_decides():
    # Fold 1's scores are shifted: its own best threshold would be perfect, fold 0's is not.
    scores, genuine = np.array([0.0, 1.0, 10.0, 11.0]), np.array([False, True, False, True])
    result = kfold_accuracy(scores, genuine, np.array([0, 0, 1, 1]))
    assert result.per_fold.tolist() == [0.5, 0.5]
    assert result.thresholds.tolist() == [10.5, 0.5]


def test_several_best_thresholds_are_averaged():
    # Of the other fold: accepting above 0, or above 2, decides 3 of 4 rightly; middles 0.5 and 2.5.
    scores, genuine = np.array([0.0, 1, 2, 3, 0, 3]), np.array([False, True, False, True, False, True])
    result = kfold_accuracy(scores, genuine, np.array([0, 0, 0, 0, 1, 1]))
    assert result.thresholds[1] == (0.5 + 2.5) / 2


def test_scores_that_are_neighbouring_floats_are_told_apart():
    low = 0.3
    high = np.nextafter(low, 1)
    scores, genuine = np.array([low, high] * 2), np.array([False, True] * 2)
    assert kfold_accuracy(scores, genuine, np.array([0, 0, 1, 1])).mean == 1.0


def test_equal_scores_of_all_pairs_give_the_larger_kind():
    genuine = np.array([True, False, False] * 2)
    assert kfold_accuracy(np.ones(6), genuine, np.arange(6) // 3).mean == pytest.approx(2 / 3)


@pytest.mark.parametrize(
    ("scores", "genuine", "fold", "message"),
    [
        ([1, 2], [True, False], [0], r"must be \(N,\), got \(2,\), \(2,\), \(1,\)"),
        ([1, np.nan, np.inf], [True, False, True], [0, 1, 1], "2 of 3 scores are not finite"),
        ([1, 2], [True, True], [0, 1], "needs genuine and impostor pairs, got 2 genuine of 2"),
        ([1, 2], [False, False], [0, 1], "needs genuine and impostor pairs, got 0 genuine of 2"),
        ([1, 2], [True, False], [0, 0], "needs at least two folds; cut a list that has none with ten_folds"),
    ],
)
def test_what_has_no_accuracy_is_refused(scores, genuine, fold, message):
    with pytest.raises(ValueError, match=message):
        kfold_accuracy(np.array(scores), np.array(genuine), np.array(fold))


def test_ten_folds_have_equal_shares_of_both_kinds_in_order():
    genuine = np.arange(1000) < 500
    fold = ten_folds(genuine)
    assert np.bincount(fold[genuine]).tolist() == [50] * 10
    assert np.bincount(fold[~genuine]).tolist() == [50] * 10
    assert (np.diff(fold[genuine]) >= 0).all()
    assert np.array_equal(fold, ten_folds(genuine))


@pytest.mark.parametrize("count", [1, 7, 10, 23])
def test_ten_folds_of_few_pairs_differ_by_one_at_most(count):
    shares = np.bincount(ten_folds(np.ones(count, dtype=bool)), minlength=10)
    assert shares.max() - shares.min() <= 1


def test_cosines_are_those_of_the_rows_and_zero_rows_give_zero():
    first = np.array([[3.0, 4.0], [1.0, 0.0], [0.0, 0.0], [1e-30, 0.0]], dtype=np.float32)
    second = np.array([[4.0, 3.0], [-2.0, 0.0], [1.0, 1.0], [1e-30, 1e-30]], dtype=np.float32)
    np.testing.assert_allclose(cosine_scores(first, second), [0.96, -1, 0, 0.5**0.5], rtol=1e-12)


def test_cosines_of_different_shapes_are_refused():
    with pytest.raises(ValueError, match=r"two arrays \(N, D\), got \(2, 3\) and \(2, 4\)"):
        cosine_scores(np.ones((2, 3)), np.ones((2, 4)))


@pytest.mark.parametrize("count", [3, 10, 57, 600])
def test_stretches_are_scikit_learns_folds(count):
    fold = ten_stretches(count)
    if count < 10:
        assert not fold.any()
        return
    for number, (_, test) in enumerate(KFold(n_splits=10, shuffle=False).split(np.zeros(count))):
        assert (fold[test] == number).all()
        assert (fold == number).sum() == len(test)


def test_folds_are_a_lists_own_or_ten_of_each_kind():
    genuine = np.arange(40) < 20  # sorted by kind
    np.testing.assert_array_equal(folds_of(genuine, np.zeros(40, int)), ten_folds(genuine))
    own = np.arange(40) % 4
    assert folds_of(genuine, own) is own
    with pytest.raises(
        FoldsError, match=r"fold 1 holds genuine pairs only \(4 of the 4 folds hold one kind\)"
    ):
        folds_of(genuine, np.arange(40) // 10)
    with pytest.raises(FoldsError, match=r"fold 2 holds impostor pairs only \(1 of the 2 folds"):
        folds_of(genuine, (np.arange(40) > 30).astype(int))
    with pytest.raises(FoldsError, match="needs genuine and impostor pairs, got 40 genuine of 40"):
        folds_of(np.ones(40, bool), np.zeros(40, int))
    with pytest.raises(FoldsError, match="a genuine and an impostor pair are too few; ten of each give ten"):
        folds_of(np.array([True, False]), np.zeros(2, int))
