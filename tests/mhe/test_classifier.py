"""`classifier_energy` against the double loop of Eq. (8) and autograd."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch.nn.functional import normalize

from sphereface_plus.mhe import classifier_energy

POWERS = [0.0, 0.5, 1.0, 2.0, 3.7]
DISTANCES = ["euclidean", "angular"]


def value_and_gradient(function, prototypes, *args, **settings):
    prototypes = prototypes.detach().requires_grad_()
    value = function(prototypes, *args, **settings)
    return value.detach(), torch.autograd.grad(value, prototypes)[0]


def dense_energy(prototypes, labels, power=2.0, distance="euclidean", other_weights=1):
    """Eq. (8) with all distances at once, differentiated by autograd.

    By differences: of 29 directions in a plane two may be 1e-5 apart, where 2 - 2 cos has lost ten digits.
    """
    units = normalize(prototypes)
    left = units[labels][:, None]
    own = labels[:, None] == torch.arange(len(prototypes))
    chord = (left - units).masked_fill(own[..., None], 1).norm(dim=2)
    z = chord if distance == "euclidean" else 2 * torch.atan2(chord, (left + units).norm(dim=2))
    kernel = -z.log() if power == 0 else z**-power
    pairs = kernel.masked_fill(own, 0) * other_weights
    return pairs.sum() / (len(labels) * (len(prototypes) - 1))


@pytest.mark.parametrize("chunk_size", [1, 4, 4096])
@pytest.mark.parametrize("distance", DISTANCES)
@pytest.mark.parametrize("power", POWERS)
def test_energy_and_gradient_are_those_of_the_double_loop(
    power, distance, chunk_size, literal_classifier_energy
):
    prototypes = 2 * torch.randn(11, 5, dtype=torch.float64)
    prototypes[4] = 3 * prototypes[1] + 0.1 * torch.randn(5)  # close, so computed by differences
    prototypes[7] = -prototypes[1] + 0.1 * torch.randn(5)  # nearly opposite
    labels = torch.tensor([1, 9, 4, 1, 3, 1])
    value, gradient = value_and_gradient(
        classifier_energy, prototypes, labels, power=power, distance=distance, chunk_size=chunk_size
    )
    literal_value, literal_gradient = value_and_gradient(
        literal_classifier_energy, prototypes, labels, power=power, distance=distance
    )
    torch.testing.assert_close(value, literal_value, rtol=1e-10, atol=0)
    assert (gradient - literal_gradient).norm() <= 1e-10 * literal_gradient.norm()


@pytest.mark.parametrize("distance", DISTANCES)
@pytest.mark.parametrize("power", POWERS)
def test_pairs_count_by_the_weights_of_their_other_ends(power, distance):
    prototypes = 2 * torch.randn(11, 5, dtype=torch.float64)
    prototypes[4] = 3 * prototypes[1] + 1e-4 * torch.randn(5)  # close, so computed by differences
    labels = torch.tensor([1, 9, 4, 1, 3, 1])
    how = {"power": power, "distance": distance, "other_weights": torch.arange(1, 12) / 3}
    found = value_and_gradient(classifier_energy, prototypes, labels, chunk_size=4, **how)
    expected = value_and_gradient(dense_energy, prototypes, labels, **how)
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=0)  # the weights are float32
    with pytest.raises(ValueError, match=r"other_weights must be of shape \(11,\), got \(1,\)"):
        classifier_energy(prototypes, labels, other_weights=torch.ones(1))


@pytest.mark.parametrize("distance", DISTANCES)
@pytest.mark.parametrize("power", [0.0, 1.0, 2.0, 3.7])
def test_in_float32_energy_and_gradient_are_those_of_autograd(power, distance):
    prototypes, labels = torch.randn(1000, 64), torch.randint(1000, (96,))
    value, gradient = value_and_gradient(
        classifier_energy, prototypes, labels, power=power, distance=distance, chunk_size=128
    )
    dense_value, dense_gradient = value_and_gradient(
        dense_energy, prototypes, labels, power=power, distance=distance
    )
    torch.testing.assert_close(value, dense_value, rtol=1e-6, atol=0)
    assert (gradient - dense_gradient).norm() <= 1e-5 * dense_gradient.norm()
    _, exact = value_and_gradient(dense_energy, prototypes.double(), labels, power=power, distance=distance)
    assert (gradient - exact).norm() <= 2e-6 * exact.norm()


@example(29, 2, 6, 1, 0.0, "angular", 775)  # two directions are very close
@example(29, 2, 4, 1, 0.0, "euclidean", 775)
@settings(deadline=None, max_examples=60)
@given(
    num_classes=st.integers(2, 30),
    dimensions=st.integers(2, 8),
    num_labels=st.integers(1, 40),
    chunk_size=st.integers(1, 40),
    power=st.sampled_from(POWERS),
    distance=st.sampled_from(DISTANCES),
    seed=st.integers(0, 2**16),
)
def test_any_shape_and_chunk_size_gives_the_dense_energy(
    num_classes, dimensions, num_labels, chunk_size, power, distance, seed
):
    generator = torch.Generator().manual_seed(seed)
    prototypes = torch.randn(num_classes, dimensions, dtype=torch.float64, generator=generator)
    labels = torch.randint(num_classes, (num_labels,), generator=generator)
    value, gradient = value_and_gradient(
        classifier_energy, prototypes, labels, power=power, distance=distance, chunk_size=chunk_size
    )
    dense_value, dense_gradient = value_and_gradient(
        dense_energy, prototypes, labels, power=power, distance=distance
    )
    torch.testing.assert_close(value, dense_value, rtol=1e-7, atol=1e-9)
    assert (gradient - dense_gradient).norm() <= 1e-6 * dense_gradient.norm() + 1e-9


@pytest.mark.parametrize("distance", DISTANCES)
@pytest.mark.parametrize("power", POWERS)
def test_gradient_agrees_with_finite_differences(power, distance, pair_at):
    prototypes = torch.cat([pair_at(0.15, 3), torch.randn(4, 3, dtype=torch.float64)]).requires_grad_()
    labels = torch.tensor([0, 5, 5, 2])
    torch.autograd.gradcheck(
        lambda w: classifier_energy(w, labels, power=power, distance=distance, chunk_size=4), prototypes
    )


def test_order_of_samples_and_of_classes_does_not_matter():
    prototypes, labels = torch.randn(30, 6, dtype=torch.float64), torch.randint(30, (12,))
    value, gradient = value_and_gradient(classifier_energy, prototypes, labels)
    shuffled, shuffled_gradient = value_and_gradient(
        classifier_energy, prototypes, labels[torch.randperm(12)]
    )
    torch.testing.assert_close((shuffled, shuffled_gradient), (value, gradient))

    order = torch.randperm(30)
    renamed, renamed_gradient = value_and_gradient(
        classifier_energy, prototypes[order], order.argsort()[labels]
    )
    torch.testing.assert_close((renamed, renamed_gradient), (value, gradient[order]))


def test_a_class_counts_as_often_as_it_occurs():
    prototypes = torch.randn(10, 4, dtype=torch.float64)
    first, second = (classifier_energy(prototypes, torch.tensor([label])) for label in (3, 8))
    mixed = classifier_energy(prototypes, torch.tensor([3, 8, 3, 3]))
    torch.testing.assert_close(mixed, (3 * first + second) / 4)


def test_gradient_reaches_every_prototype_and_is_orthogonal_to_each():
    prototypes = 5 * torch.randn(50, 8, dtype=torch.float64)
    _, gradient = value_and_gradient(classifier_energy, prototypes, torch.tensor([3, 4]))
    assert (gradient.norm(dim=1) > 0).all()
    assert (gradient * prototypes).sum(dim=1).abs().max() < 1e-15
    _, of_doubled = value_and_gradient(classifier_energy, 2 * prototypes, torch.tensor([3, 4]))
    torch.testing.assert_close(of_doubled, gradient / 2)


def test_outer_factor_scales_the_gradient_and_a_retained_graph_gives_it_again():
    prototypes = torch.randn(20, 4).requires_grad_()
    energy = classifier_energy(prototypes, torch.arange(5))
    (plain,) = torch.autograd.grad(energy, prototypes, retain_graph=True)
    plain = plain.clone()
    (scaled,) = torch.autograd.grad(100 * energy, prototypes, retain_graph=True)
    torch.testing.assert_close(scaled, 100 * plain)
    energy.backward()
    torch.testing.assert_close(prototypes.grad, plain)


def test_second_derivatives_are_refused():
    prototypes = torch.randn(5, 3).requires_grad_()
    with pytest.raises(RuntimeError, match="can be differentiated once"):
        torch.autograd.grad(classifier_energy(prototypes, torch.arange(3)), prototypes, create_graph=True)


def test_prototypes_changed_between_forward_and_backward_are_noticed():
    prototypes = torch.randn(5, 3).requires_grad_()
    energy = classifier_energy(prototypes, torch.arange(3))
    with torch.no_grad():
        prototypes.add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        energy.backward()


@pytest.mark.parametrize("autocast", [False, True])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize("distance", DISTANCES)
@pytest.mark.parametrize("power", [0.0, 1.0, 2.0, 5.0, 100.0])
def test_degenerate_prototypes_have_finite_energies_and_gradients(power, distance, dtype, autocast):
    rows = [[1.0, 2.0, 3.0], [1.0, 2.0, 3.0], [2.0, 4.0, 6.0], [-1.0, -2.0, -3.0], [0.0, 0.0, 0.0],
            [1e-30, 0.0, 0.0], [1.0, 2.0, 3.0000002], [0.0, 1.0, 0.0], [0.0, 0.0, 0.0]]  # fmt: skip
    for labels in ([0], [0, 1, 3], [4, 8], [5, 7, 7], list(range(9))):
        prototypes = torch.tensor(rows, dtype=dtype, requires_grad=True)
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=autocast):
            energy = classifier_energy(
                prototypes, torch.tensor(labels), power=power, distance=distance, chunk_size=4
            )
            energy.backward()
        assert energy.dtype == (torch.float64 if dtype == torch.float64 else torch.float32)
        assert energy.isfinite()
        assert prototypes.grad is not None
        assert prototypes.grad.isfinite().all()
        assert not prototypes.grad[4].any()  # a zero vector has no direction to turn


def test_close_prototypes_keep_their_digits_in_float32():
    angle, other = 1e-3, torch.tensor([0.0, 0.0, 1.0])
    pair = torch.tensor([[1.0, 0.0, 0.0], [math.cos(angle), math.sin(angle), 0.0]])
    prototypes = torch.cat([pair, other[None]])
    energy = classifier_energy(prototypes, torch.tensor([0]))
    assert energy.item() == pytest.approx(((2 * math.sin(angle / 2)) ** -2 + 0.5) / 2, rel=1e-5)


def test_autocast_does_not_reach_the_energy():
    prototypes, labels = torch.randn(200, 32), torch.randint(200, (20,))
    outside = value_and_gradient(classifier_energy, prototypes, labels)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = value_and_gradient(classifier_energy, prototypes, labels)
    assert all(torch.equal(a, b) for a, b in zip(inside, outside, strict=True))


def test_two_prototypes_and_one_identity_in_the_batch():
    prototypes = torch.tensor([[2.0, 0.0], [0.0, 3.0]])
    assert classifier_energy(prototypes, torch.tensor([1, 1, 1])).item() == pytest.approx(1 / 2)


def test_labels_of_any_integer_type_do():
    prototypes = torch.randn(5, 3)
    expected = classifier_energy(prototypes, torch.tensor([0, 4, 4]))
    for dtype in (torch.uint8, torch.int32):
        assert torch.equal(classifier_energy(prototypes, torch.tensor([0, 4, 4], dtype=dtype)), expected)


@pytest.mark.parametrize(
    ("prototypes", "labels", "settings", "message"),
    [
        (torch.randn(5, 3), [5], {}, r"label 5 is not a class: there are 5 prototypes, 0..4"),
        (torch.randn(5, 3), [0, -1], {}, "label -1 is not a class"),
        (torch.randn(5, 3), [], {}, "the batch is empty"),
        (torch.randn(1, 3), [0], {}, "at least two prototypes, got 1"),
        (
            torch.randn(5, 3),
            [[0]],
            {},
            r"labels must be integers of shape \(m,\), got torch.int64 of shape \(1, 1\)",
        ),
        (torch.randn(5, 3), [0.0], {}, "labels must be integers.*torch.float32"),
        (torch.randn(5, 3), [True], {}, "labels must be integers.*torch.bool"),
        (torch.randn(5), [0], {}, r"prototypes must be a floating-point tensor \(N, D\).*\(5,\)"),
        (torch.randn(5, 3), [0], {"power": -2.0}, "power must be a finite number >= 0, got -2.0"),
        (torch.randn(5, 3), [0], {"distance": "l2"}, "distance must be 'euclidean' or 'angular', got 'l2'"),
        (torch.randn(5, 3), [0], {"chunk_size": 0}, "chunk_size must be at least 1, got 0"),
    ],
)
def test_what_is_not_defined_is_refused_by_name(prototypes, labels, settings, message):
    labels = torch.tensor(labels) if labels else torch.empty(0, dtype=torch.long)
    with pytest.raises(ValueError, match=message):
        classifier_energy(prototypes, labels, **settings)
