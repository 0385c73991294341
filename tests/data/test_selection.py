import numpy as np
import pytest

from sphereface_plus.data.images import ImagesError
from sphereface_plus.data.selection import choose_per_class, imbalanced_counts, validation_split

CIFAR10, CIFAR100 = [5_000] * 10, [500] * 100
MNIST = [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]


def test_cifar_10_with_a_single_imbalance_has_45500_images():
    counts = imbalanced_counts("cifar10", "single", CIFAR10)
    assert counts == [500] + 9 * [5_000]  # 90 % of class 0 are thrown away
    assert sum(counts) == 45_500


def test_cifar_10_with_multiple_imbalance_has_27500_images():
    counts = imbalanced_counts("cifar10", "multiple", CIFAR10)
    assert counts == [500, 1000, 1500, 2000, 2500, 3000, 3500, 4000, 4500, 5000]
    assert sum(counts) == 27_500


def test_cifar_100_keeps_a_tenth_of_its_first_ten_classes():
    assert imbalanced_counts("cifar100", "single", CIFAR100) == [50] * 10 + [500] * 90


def test_cifar_100_with_multiple_imbalance_grows_by_5_images_a_class():
    counts = imbalanced_counts("cifar100", "multiple", CIFAR100)
    assert (counts[0], counts[1], counts[99]) == (5, 10, 500)
    assert sum(counts) == 25_250


def test_mnist_keeps_100_images_of_the_digit_0():
    assert imbalanced_counts("mnist", "single", MNIST) == [100, *MNIST[1:]]


def test_an_imbalance_that_the_paper_does_not_have_is_refused():
    message = "mnist: the paper defines no multiple imbalance for it, only for cifar10, cifar100"
    with pytest.raises(ImagesError, match=message):
        imbalanced_counts("mnist", "multiple", MNIST)


def test_the_chosen_images_are_of_the_classes_and_numbers_asked_for():
    labels = [0, 1, 2, 1, 0, 2, 2, 1, 0, 1]
    chosen = choose_per_class(labels, [1, 3, 2], seed=0)
    assert chosen.tolist() == sorted(set(chosen.tolist()))
    assert np.bincount(np.array(labels)[chosen]).tolist() == [1, 3, 2]


def test_the_choice_depends_on_seed_and_class_alone():
    labels = np.arange(3_000) % 3
    chosen = choose_per_class(labels, [100, 200, 300], seed=1)
    assert np.array_equal(chosen, choose_per_class(labels, [100, 200, 300], seed=1))
    assert not np.array_equal(chosen, choose_per_class(labels, [100, 200, 300], seed=2))
    other_counts = choose_per_class(labels, [1_000, 1, 300], seed=1)
    of_class_2 = [each[labels[each] == 2].tolist() for each in (chosen, other_counts)]
    assert of_class_2[0] == of_class_2[1]


def test_every_image_of_a_class_is_as_likely():
    labels = [0] * 10 + [1] * 10
    times = np.zeros(20)
    for seed in range(600):
        times[choose_per_class(labels, [3, 5], seed)] += 1
    assert np.abs(times[:10] - 180).max() < 50  # 4.4 standard deviations
    assert np.abs(times[10:] - 300).max() < 55


@pytest.mark.parametrize("count", [0, 4])
def test_more_images_than_a_class_has_or_none_are_refused(count):
    with pytest.raises(ImagesError, match=f"class 1: {count} images are asked for, it has 3; ask for 1 to"):
        choose_per_class([0, 0, 1, 1, 1], [1, count], seed=0)


def test_a_validation_split_takes_the_same_number_of_each_class_and_leaves_the_rest():
    labels = [0, 1, 1, 0, 1, 0, 0, 1, 1, 1]
    training, validation = validation_split(labels, 2, 2, seed=0)
    assert sorted([*training, *validation]) == list(range(10))
    assert np.bincount(np.array(labels)[validation]).tolist() == [2, 2]
    assert np.array_equal(validation, validation_split(labels, 2, 2, seed=0)[1])


@pytest.mark.parametrize(
    ("labels", "has"), [([0, 0, 0, 1, 1], "class 1 has 2"), ([0, 0, 0], "class 1 has 0")]
)
def test_a_validation_split_that_empties_a_class_is_refused(labels, has):
    with pytest.raises(ImagesError, match=f"{has} images: a validation split of 2 a class leaves none"):
        validation_split(labels, 2, 2, seed=0)
