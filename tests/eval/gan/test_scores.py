"""What a report says of scores that have few images, and the score of real ones beside them."""

import numpy as np
import pytest

from eval.gan.measures import class_score
from eval.gan.scores import of_reference, scores

WIDE = "is too large by its bias, and its interval too wide"
ALONE = "the interval is of the generated images' draws alone"


def features(count, dimensions=4, classes=3, seed=0):
    random = np.random.default_rng(seed)
    return random.normal(size=(count, dimensions)), random.normal(size=(count, classes))


@pytest.mark.parametrize(
    ("generated", "references", "words"),
    [
        (400, 400, None),
        (19, 400, f"a Frechet distance of 19 images in 4 dimensions, fewer than 5 a dimension, {WIDE}"),
        (
            400,
            19,
            "a Frechet distance of 19 reference images in 4 dimensions, fewer than 5 a dimension, "
            f"is too large by its bias; {ALONE}",
        ),
        (
            19,
            18,
            "a Frechet distance of 19 images and 18 reference images in 4 dimensions, fewer than 5 a "
            f"dimension, {WIDE}; {ALONE}",
        ),
    ],
)
def test_a_frechet_distance_is_marked_by_the_fewer_of_both_sets(generated, references, words):
    found = scores(features(generated), features(references, seed=1), splits=2)
    assert found["marked"].get("frechet_distance") == words


@pytest.mark.parametrize(("count", "is_marked"), [(59, True), (60, False)])
def test_a_class_score_is_marked_by_the_images_of_a_split_for_each_class(count, is_marked):
    marked = scores(features(count), features(400, seed=1), splits=2)["marked"]
    assert ("class_score" in marked) is is_marked


def test_what_is_refused_is_not_marked_as_well():
    found = scores(features(4), features(400, seed=1), splits=10)
    assert found["refused"].keys() >= {"class_score", "frechet_distance"}
    assert found["marked"] == {}


def test_real_images_are_scored_in_splits_as_large_as_those_of_the_samples():
    real = features(205)
    found = of_reference(real, samples=43, splits=4)  # ten images a split
    assert found is not None
    assert found["splits"] == 20
    assert found["value"] == class_score(real[1][:200], 20).value
    assert of_reference(real, samples=500, splits=4) is None  # not two splits of 125
    assert of_reference(real, samples=5, splits=5) is None
    assert of_reference(real, samples=3, splits=5) is None


def test_the_class_score_of_small_splits_is_too_small_by_what_is_said_of_ten_images_a_class():
    classes = 8
    one_hot = 50 * np.eye(classes)[np.random.default_rng(0).integers(0, classes, 80_000)]
    large = class_score(one_hot, 2).value
    small = class_score(one_hot, 1000).value  # 80 images a split, ten a class
    assert large == pytest.approx(classes, rel=1e-3)
    assert np.log(large / small) == pytest.approx((classes - 1) / (2 * 80), rel=0.1)
