"""The class-balanced form of Eq. (8): its expectation is the full-space energy, and Eq. (8)'s is not."""

from __future__ import annotations

import itertools

import pytest
import torch

from sphereface_plus.mhe import class_balanced_energy, classifier_energy, hyperspherical_energy

PHOTOS = torch.tensor([0, 0, 0, 0, 1, 2, 2, 3])  # whose each photo is: of four classes the first has half
COUNTS = PHOTOS.bincount()


@pytest.fixture
def prototypes():
    return 3 * torch.randn(4, 3, dtype=torch.float64)


def value_and_gradient(function, prototypes, *args, **settings):
    prototypes = prototypes.detach().requires_grad_()
    value = function(prototypes, *args, **settings)
    return value.detach(), torch.autograd.grad(value, prototypes)[0]


def mean_over(batches, function, prototypes, *args, **settings):
    """Expectation and its gradient, exactly: over all batches, each as likely as another."""
    found = [
        value_and_gradient(function, prototypes, PHOTOS[list(batch)], *args, **settings) for batch in batches
    ]
    values, gradients = zip(*found, strict=True)
    return torch.stack(values).mean(), torch.stack(gradients).mean(0)


DRAWS = {
    "independent draws": list(itertools.product(range(len(PHOTOS)), repeat=3)),
    "random orders": list(itertools.permutations(range(len(PHOTOS)), 3)),
}


@pytest.mark.parametrize("draws", DRAWS.values(), ids=DRAWS.keys())
@pytest.mark.parametrize(("power", "distance"), [(2.0, "euclidean"), (0.0, "euclidean"), (1.0, "angular")])
def test_over_all_batches_its_mean_is_the_literal_full_space_energy(
    draws, power, distance, prototypes, literal_energy
):
    how = {"power": power, "distance": distance}

    def full(weight):
        return literal_energy(weight, power, distance) / (len(weight) * (len(weight) - 1))

    expected = value_and_gradient(full, prototypes)
    found = mean_over(draws, class_balanced_energy, prototypes, COUNTS, **how)
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-12)


def test_over_all_batches_the_mean_of_eq_8_counts_classes_by_their_photos(prototypes):
    by_photos, _ = mean_over(DRAWS["independent draws"], classifier_energy, prototypes)
    alone = torch.stack([classifier_energy(prototypes, torch.tensor([label])) for label in range(4)])
    torch.testing.assert_close(by_photos, (COUNTS / len(PHOTOS) * alone).sum())
    assert abs(by_photos - hyperspherical_energy(prototypes)) > 1e-3


def test_counting_each_class_of_a_batch_once_would_not_do(prototypes):
    def once(weight, labels):
        return classifier_energy(weight, labels.unique())

    value, _ = mean_over(DRAWS["independent draws"], once, prototypes)
    assert abs(value - hyperspherical_energy(prototypes)) > 1e-3


def test_over_the_batches_of_one_epoch_it_is_the_full_space_energy_itself(prototypes):
    order = torch.randperm(len(PHOTOS))
    parts = [class_balanced_energy(prototypes, labels, COUNTS) for labels in PHOTOS[order].split(2)]
    torch.testing.assert_close(torch.stack(parts).mean(), hyperspherical_energy(prototypes))


def test_where_all_classes_have_as_many_photos_it_is_eq_8(prototypes):
    labels = torch.tensor([0, 3, 3, 1])
    ours = value_and_gradient(class_balanced_energy, prototypes, labels, torch.full((4,), 7))
    torch.testing.assert_close(ours, value_and_gradient(classifier_energy, prototypes, labels))


def test_close_prototypes_are_weighted_too(prototypes, literal_energy):
    prototypes[3] = prototypes[0] * 2
    prototypes[3, 0] += 1e-4  # computed by differences
    value = class_balanced_energy(prototypes, PHOTOS, COUNTS, chunk_size=2)
    torch.testing.assert_close(value, literal_energy(prototypes) / 12)


def test_a_class_without_photos_and_counts_of_other_classes_are_refused(prototypes):
    labels = torch.tensor([0])
    with pytest.raises(ValueError, match=r"4 counts of at least 1, got \(4,\) with 0"):
        class_balanced_energy(prototypes, labels, torch.tensor([1, 0, 2, 3]))
    with pytest.raises(ValueError, match=r"4 counts of at least 1, got \(3,\)"):
        class_balanced_energy(prototypes, labels, torch.tensor([1, 2, 3]))
    with pytest.raises(ValueError, match=r"class_weights must be of shape \(4,\), got \(1,\)"):
        classifier_energy(prototypes, labels, class_weights=torch.ones(1))
