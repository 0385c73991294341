"""The released forms of SphereFace+ against their definitions, pair by pair in plain Python."""

import math

import pytest
import torch

from sphereface_plus.mhe import caffe_surrogate, opensphere_energy, tangential

LABELS = torch.tensor([3, 0, 3, 5, 1])


@pytest.fixture
def prototypes():
    return (3 * torch.randn(8, 4, dtype=torch.float64)).requires_grad_()


def units_of(prototypes):
    return [[value / math.hypot(*row) for value in row] for row in prototypes.tolist()]


def slow_distance(units, labels):
    total = 0.0
    for row in units:
        for label in labels.tolist():
            total += sum((a - b) ** 2 for a, b in zip(row, units[label], strict=True))
    return total / len(units)


def test_the_caffe_value_is_the_reciprocal_of_the_summed_squared_distances(prototypes):
    expected = 1 / slow_distance(units_of(prototypes), LABELS)
    assert caffe_surrogate(prototypes, LABELS).item() == pytest.approx(expected)


def test_the_caffe_gradient_is_the_layers_backward_sample_by_sample(prototypes):
    units, m = units_of(prototypes), len(LABELS)
    distance = slow_distance(units, LABELS)
    mean = [sum(column) / len(units) for column in zip(*units, strict=True)]
    length = math.sqrt(sum(value**2 for value in mean) + 1e-5)
    mu = [value / length for value in mean]
    expected = torch.zeros(8, 4, dtype=torch.float64)
    for label in LABELS.tolist():  # a label twice is pushed twice
        for d in range(4):
            expected[label, d] += -4 / (m * distance**2 + 1e-5) * (units[label][d] - mu[d])
    (gradient,) = torch.autograd.grad(10 * caffe_surrogate(prototypes, LABELS), prototypes)
    torch.testing.assert_close(gradient, 10 * expected)
    assert not gradient[[2, 4, 6, 7]].any()  # classes outside the batch


def test_the_caffe_surrogate_lets_a_set_without_a_mean_be():
    """Two antipodal clumps: far from uniform, and only radial gradients."""
    axis = torch.tensor([[1.0, 0.0, 0.0]])
    clumps = torch.cat([axis.repeat(4, 1), -axis.repeat(4, 1)]).requires_grad_()
    (gradient,) = torch.autograd.grad(caffe_surrogate(clumps, torch.arange(8)), clumps)
    torch.testing.assert_close(tangential(gradient, clumps), torch.zeros(8, 3))


def test_the_opensphere_value_is_the_mean_over_pairs_of_distinct_labels(prototypes):
    units, distinct = units_of(prototypes), [0, 1, 3, 5]
    terms = [
        math.acos(sum(p * q for p, q in zip(units[a], units[b], strict=True))) ** -2
        for a in distinct
        for b in distinct
        if a < b
    ]
    assert opensphere_energy(prototypes, LABELS).item() == pytest.approx(sum(terms) / len(terms))


def test_the_opensphere_gradient_is_that_by_the_unit_prototypes(prototypes):
    units = torch.tensor(units_of(prototypes), dtype=torch.float64, requires_grad=True)
    distinct = [0, 1, 3, 5]
    energy = torch.stack([(units[a] @ units[b]).arccos() ** -2 for a in distinct for b in distinct if a < b])
    (expected,) = torch.autograd.grad(energy.mean(), units)
    (gradient,) = torch.autograd.grad(opensphere_energy(prototypes, LABELS), prototypes)
    torch.testing.assert_close(gradient, expected)


@pytest.mark.parametrize("form", [caffe_surrogate, opensphere_energy])
@pytest.mark.parametrize("case", ["coincident", "antipodal", "zero", "one class"])
def test_value_and_gradient_are_finite_at_the_edges(form, case):
    prototypes = torch.randn(4, 3)
    labels = torch.tensor([0, 1, 2])
    if case == "coincident":
        prototypes[:] = prototypes[0].clone()
    elif case == "antipodal":
        prototypes[1] = -prototypes[0]
    elif case == "zero":
        prototypes[1] = 0
    else:
        labels = torch.tensor([2, 2])
    value = form(prototypes.requires_grad_(), labels)
    (gradient,) = torch.autograd.grad(value, prototypes)
    assert value.isfinite()
    assert gradient.isfinite().all()


def test_one_class_in_the_batch_has_no_opensphere_energy():
    assert opensphere_energy(torch.randn(4, 3), torch.tensor([1, 1])).item() == 0


@pytest.mark.parametrize("form", [caffe_surrogate, opensphere_energy])
def test_they_are_computed_in_fp32_under_autocast(form):
    prototypes = torch.randn(6, 4)
    with torch.autocast("cpu", torch.bfloat16):
        value = form(prototypes, LABELS)
    assert value.dtype == torch.float32
    assert torch.equal(value, form(prototypes, LABELS))


@pytest.mark.parametrize("form", [caffe_surrogate, opensphere_energy])
def test_what_is_no_matrix_of_prototypes_is_refused(form):
    with pytest.raises(ValueError, match="prototypes must be a floating-point tensor"):
        form(torch.zeros(3), torch.tensor([0]))


@pytest.mark.parametrize("energy", [caffe_surrogate, opensphere_energy])
def test_a_backward_inside_autocast_has_the_same_gradient(energy):
    prototypes = torch.randn(8, 32, requires_grad=True)
    (outside,) = torch.autograd.grad(energy(prototypes, LABELS), prototypes)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        (inside,) = torch.autograd.grad(energy(prototypes, LABELS), prototypes)
    torch.testing.assert_close(inside, outside, rtol=1e-6, atol=1e-7)
