import math
import re

import numpy as np
import pytest

from eval.gan import measures
from eval.gan.measures import (
    TooFewError,
    class_score,
    frechet_distance,
    kernel_distance,
    precision_and_recall,
)


def normal(count, dimensions, seed, *, shift=0.0, scale=1.0):
    return np.random.default_rng(seed).normal(shift, scale, (count, dimensions)).astype(np.float32)


def test_a_class_score_is_its_formula_image_by_image_in_each_split():
    logits = normal(23, 4, 0, scale=2.0)
    expected = []
    for part in (logits[:11], logits[11:22]):  # the 23rd is left out
        shares = [[math.exp(z) / sum(math.exp(other) for other in row) for z in row] for row in part]
        mean = [sum(column) / len(part) for column in zip(*shares, strict=True)]
        divergence = [sum(p * math.log(p / q) for p, q in zip(row, mean, strict=True)) for row in shares]
        expected.append(math.exp(sum(divergence) / len(part)))
    found = class_score(logits, splits=2)
    assert found.parts == pytest.approx(expected, rel=1e-6)
    assert found.value == pytest.approx(sum(expected) / 2)
    assert found.sd == pytest.approx(abs(expected[0] - expected[1]) / 2)
    assert found.standard_error == pytest.approx(abs(expected[0] - expected[1]) / 2)


def test_a_class_score_is_one_where_all_images_look_alike_and_the_number_of_classes_where_all_are_sure():
    assert class_score(np.zeros((100, 7))).value == pytest.approx(1)
    sure = 1000 * np.eye(5)[np.arange(100) % 5]
    assert class_score(sure).value == pytest.approx(5)


def test_a_frechet_distance_is_that_of_the_two_normal_distributions():
    # Diagonal covariances s^2 and t^2: |m - m'|^2 + sum (s - t)^2.
    x = normal(50_000, 3, 0, shift=1.0) * [1, 2, 3]
    y = normal(50_000, 3, 1, shift=2.0) * [2, 2, 1]
    expected = (4 - 1) ** 2 + (4 - 2) ** 2 + (2 - 3) ** 2 + 1 + 0 + 4
    assert frechet_distance(x, y).value == pytest.approx(expected, rel=0.03)


def test_a_frechet_distance_is_scipys_square_root_of_the_product():
    from scipy.linalg import sqrtm

    x = normal(200, 6, 0) @ normal(6, 6, 1)
    y = normal(300, 6, 2, shift=0.3) @ normal(6, 6, 3)
    covariances = np.cov(x, rowvar=False), np.cov(y, rowvar=False)
    root = sqrtm(covariances[0] @ covariances[1]).real
    expected = ((x.mean(0) - y.mean(0)) ** 2).sum() + np.trace(covariances[0] + covariances[1] - 2 * root)
    assert frechet_distance(x, y).value == pytest.approx(expected, rel=1e-4)


def test_a_frechet_distance_of_a_set_from_itself_is_zero_also_where_a_feature_never_changes():
    x = normal(100, 5, 0)
    x[:, 2] = 0
    assert frechet_distance(x, x).value == pytest.approx(0, abs=1e-6)


def test_the_standard_error_of_a_frechet_distance_is_the_spread_over_draws():
    reference = normal(20_000, 4, 0)
    draws = (normal(500, 4, seed, shift=0.2, scale=1.2) for seed in range(1, 201))
    found = [frechet_distance(draw, reference) for draw in draws]
    spread = np.std([one.value for one in found], ddof=1)
    assert np.mean([one.standard_error for one in found]) == pytest.approx(spread, rel=0.15)


def test_the_standard_error_of_few_distinct_images_is_of_their_own_directions():
    """Five points span four directions of 64; turned so that these are the first four, it is the same."""
    reference, points = normal(2_000, 64, 0), normal(5, 64, 1)
    draw = points[np.random.default_rng(2).integers(0, 5, 2_000)]
    turn = np.linalg.svd(points - points.mean(0))[2].T
    inner, others = draw @ turn[:, :4], reference @ turn[:, :4]
    expected = frechet_distance(inner, others).standard_error
    assert frechet_distance(draw, reference).standard_error == pytest.approx(expected, rel=1e-3)


def test_the_standard_error_of_a_kernel_distance_is_the_spread_over_draws_of_both_sets():
    found = [
        kernel_distance(normal(400, 4, 2 * seed, shift=0.2), normal(400, 4, 2 * seed + 1))[0]
        for seed in range(200)
    ]
    spread = np.std([one.value for one in found], ddof=1)
    assert np.mean([one.standard_error for one in found]) == pytest.approx(spread, rel=0.15)


def test_a_kernel_distance_is_its_sums_block_by_block():
    x, y = normal(40, 3, 0), normal(45, 3, 1, shift=0.5)
    found, block = kernel_distance(x, y)
    assert block == 4

    def kernel(a, b):
        return (sum(float(p) * float(q) for p, q in zip(a, b, strict=True)) / 3 + 1) ** 3

    expected = []
    for start in range(0, 40, 4):
        a, b = x[start : start + 4], y[start : start + 4]
        one = sum(kernel(a[i], a[j]) + kernel(b[i], b[j]) for i in range(4) for j in range(4) if i != j) / 12
        expected.append(one - 2 * sum(kernel(p, q) for p in a for q in b) / 16)
    assert found.parts == pytest.approx(expected)
    assert found.value == pytest.approx(np.mean(expected))


def test_a_kernel_distance_has_no_bias_where_both_sets_are_of_one_kind():
    found = [kernel_distance(normal(200, 4, 2 * n), normal(200, 4, 2 * n + 1))[0].value for n in range(100)]
    assert abs(np.mean(found)) < 3 * np.std(found) / 10


def test_precision_and_recall_are_shares_within_balls_counted_one_by_one(monkeypatch):
    monkeypatch.setattr(measures, "_CHUNK", 7)
    x, y = normal(30, 2, 0), normal(40, 2, 1, shift=1.0)

    def share(points, others):
        inside = 0
        for point in points:
            for other in others:
                radius = sorted(math.dist(other, third) for third in others)[3]  # the first is itself
                if math.dist(point, other) <= radius:
                    inside += 1
                    break
        return inside / len(points)

    assert precision_and_recall(x, y) == (share(x, y), share(y, x))


def test_images_of_one_point_have_a_recall_of_zero():
    assert precision_and_recall(np.zeros((50, 2)), normal(50, 2, 0))[1] == 0


@pytest.mark.parametrize(
    ("measure", "message"),
    [
        (
            lambda: class_score(np.zeros((19, 3))),
            "a class score in 10 splits needs 20 images at least, got 19",
        ),
        (
            lambda: frechet_distance(np.zeros((64, 64)), np.zeros((65, 64))),
            "a Frechet distance in 64 dimensions needs more than 64 generated images, got 64",
        ),
        (
            lambda: frechet_distance(np.zeros((65, 64)), np.zeros((64, 64))),
            "a Frechet distance in 64 dimensions needs more than 64 reference images, got 64",
        ),
        (
            lambda: kernel_distance(np.zeros((19, 2)), np.zeros((50, 2))),
            "a kernel distance needs 20 images of each kind at least, got 19",
        ),
        (
            lambda: precision_and_recall(np.zeros((4, 2)), np.zeros((50, 2))),
            "precision and recall need 5 images of each kind at least, got 4 and 50",
        ),
    ],
)
def test_too_few_images_are_refused_with_how_many_are_needed(measure, message):
    with pytest.raises(TooFewError, match=f"^{re.escape(message)}$"):
        measure()
