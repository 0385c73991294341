"""The estimate of Eq. (8) from a sample, averaged over every draw there is, against Eq. (8)."""

from itertools import combinations, permutations

import pytest
import torch

from sphereface_plus.mhe import (
    class_weights,
    classifier_energy,
    hyperspherical_energy,
    sampled_classifier_energy,
)

C, D = 7, 3
BATCHES = [[2, 5, 2, 0], [3, 3], [6]]


def prototypes():
    generator = torch.Generator().manual_seed(0)
    return torch.randn(C, D, dtype=torch.float64, generator=generator).requires_grad_()


def every_draw(w, labels, others, **settings):
    """The estimates from the batch's classes and each choice of so many others."""
    own = sorted(set(labels))
    for drawn in combinations([c for c in range(C) if c not in own], others):
        rows = sorted([*own, *drawn])
        places = torch.tensor([rows.index(label) for label in labels])
        yield sampled_classifier_energy(w[rows], places, num_classes=C, **settings)


@pytest.mark.parametrize("labels", BATCHES, ids=str)
@pytest.mark.parametrize("others", [1, 3, 4])
@pytest.mark.parametrize("settings", [{}, {"power": 0.0}, {"power": 1.0, "distance": "angular"}], ids=str)
def test_the_mean_over_every_draw_is_the_energy_of_all_and_so_is_its_gradient(labels, others, settings):
    w = prototypes()
    estimates = list(every_draw(w, labels, others, **settings))
    exact = classifier_energy(w, torch.tensor(labels), **settings)
    mean = torch.stack(estimates).mean()
    torch.testing.assert_close(mean, exact, rtol=1e-12, atol=1e-12)
    by_draws, by_all = (torch.autograd.grad(energy, w)[0] for energy in (mean, exact))
    torch.testing.assert_close(by_draws, by_all, rtol=1e-10, atol=1e-12)


def test_parts_of_a_batch_that_know_the_whole_batchs_classes_have_its_mean():
    """The parts' mean is the whole batch's estimate, draw by draw."""
    w, labels, rows = prototypes(), [2, 5, 2, 0], [0, 1, 2, 5, 6]
    places = torch.tensor([rows.index(label) for label in labels])
    certain = places.unique()
    whole = sampled_classifier_energy(w[rows], places, num_classes=C)
    parts = [
        sampled_classifier_energy(w[rows], part, num_classes=C, certain=certain) for part in places.chunk(2)
    ]
    torch.testing.assert_close(torch.stack(parts).mean(), whole, rtol=1e-12, atol=1e-12)


def test_over_every_batch_and_draw_the_mean_is_the_full_space_energy_where_labels_count_by_their_classes():
    """Two of nine photos, drawn in a random order, and then one of the classes that are not theirs, two or
    three of seven in all."""
    photos = torch.tensor([0, 0, 0, 1, 2, 3, 4, 5, 6])
    w, weights = prototypes(), class_weights(photos.bincount())
    of_batches = []
    for batch in permutations(photos.tolist(), 2):
        own = sorted(set(batch))
        draws = []
        for other in sorted(set(range(C)) - set(own)):
            rows = sorted([*own, other])
            places = torch.tensor([rows.index(label) for label in batch])
            draws.append(
                sampled_classifier_energy(w[rows], places, num_classes=C, class_weights=weights[rows])
            )
        of_batches.append(torch.stack(draws).mean())
    found, exact = torch.stack(of_batches).mean(), hyperspherical_energy(w)
    torch.testing.assert_close(found, exact, rtol=1e-12, atol=1e-12)
    by_draws, by_all = (torch.autograd.grad(energy, w)[0] for energy in (found, exact))
    torch.testing.assert_close(by_draws, by_all, rtol=1e-10, atol=1e-12)


def test_single_draws_differ():
    estimates = torch.stack(list(every_draw(prototypes(), [2, 5], 2)))
    assert estimates.std() > 0.01 * estimates.mean()


def test_all_prototypes_are_no_sample():
    w, labels = prototypes(), torch.tensor([2, 5, 2])
    assert torch.equal(sampled_classifier_energy(w, labels, num_classes=C), classifier_energy(w, labels))


@pytest.mark.parametrize(
    ("given", "num_classes", "words"),
    [
        (
            2,
            7,
            "2 prototypes were given of 7, 2 of them the batch's own: an estimate needs at least one more",
        ),
        (5, 4, "5 prototypes were given of 4, 2 of them the batch's own"),
    ],
)
def test_what_is_no_sample_is_refused(given, num_classes, words):
    with pytest.raises(ValueError, match=words):
        sampled_classifier_energy(prototypes()[:given], torch.tensor([0, 1]), num_classes=num_classes)
