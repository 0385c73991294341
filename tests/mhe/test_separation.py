"""MHS against its definition, and as the limit of the energy."""

from __future__ import annotations

import math

import pytest
import torch

from sphereface_plus.mhe import hyperspherical_energy, negative_separation, smallest_angle


def literal_smallest_distance(weight, distance="euclidean", half_space=False):
    points = [w / w.norm() for w in weight]
    if half_space:
        points += [-u for u in points]
    chords = [(u - v).norm() for i, u in enumerate(points) for v in points[:i]]
    smallest = min(chords)
    return 2 * torch.arcsin(smallest / 2) if distance == "angular" else smallest


@pytest.mark.parametrize("half_space", [False, True])
@pytest.mark.parametrize("squared", [False, True])
@pytest.mark.parametrize("distance", ["euclidean", "angular"])
def test_value_and_gradient_are_those_of_the_smallest_of_all_distances(distance, squared, half_space):
    weight = (3 * torch.randn(9, 4, dtype=torch.float64)).requires_grad_()
    value = negative_separation(weight, distance=distance, squared=squared, half_space=half_space)
    literal = literal_smallest_distance(weight, distance, half_space)
    literal = -(literal**2 if squared else literal)
    torch.testing.assert_close(value, literal)
    gradients = [torch.autograd.grad(x, weight)[0] for x in (value, literal)]
    torch.testing.assert_close(*gradients)
    assert (gradients[0].norm(dim=1) > 0).sum() == 2  # only the closest two are moved


def test_in_half_space_the_released_code_counts_every_minimum_twice():
    # it sums all squared distances of pairs i < j of {w, -w} that equal the minimum: (w, v) and (-w, -v) tie
    weight = torch.randn(9, 4, dtype=torch.float64).requires_grad_()
    units = torch.nn.functional.normalize(weight)
    points = torch.cat([units, -units])
    i, j = torch.triu_indices(18, 18, offset=1)
    squared = 2 - 2 * (points @ points.T)[i, j]
    released = -squared[squared < squared.min() + 1e-12].sum()  # equal but for rounding
    ours = negative_separation(weight, squared=True, half_space=True)
    torch.testing.assert_close(released, 2 * ours)
    gradients = [torch.autograd.grad(value, weight)[0] for value in (released, ours)]
    torch.testing.assert_close(gradients[0], 2 * gradients[1])


def test_slabs_of_rows_find_the_same_pair(monkeypatch):
    weight = torch.randn(23, 5)
    whole = negative_separation(weight)
    monkeypatch.setattr("sphereface_plus.mhe.separation.PAIRS_AT_ONCE", 50)
    assert torch.equal(negative_separation(weight), whole)
    assert -negative_separation(weight, distance="angular").item() == pytest.approx(smallest_angle(weight))


def test_it_is_the_limit_of_the_energy_as_the_power_grows():
    weight = torch.randn(12, 3, dtype=torch.float64)
    distances = [
        hyperspherical_energy(weight, power=power, reduction="sum").item() ** (-1 / power)
        for power in (10.0, 40.0, 160.0)
    ]
    smallest = -negative_separation(weight).item()
    gaps = [smallest - distance for distance in distances]
    assert gaps[0] > gaps[1] > gaps[2] > 0
    assert gaps[2] < 0.006 * smallest  # 2^(1/160) - 1 for a single closest pair


def test_close_neurons_keep_their_digits_in_float32():
    angle = 1e-4
    weight = torch.tensor([[1.0, 0.0], [math.cos(angle), math.sin(angle)], [0.0, 1.0]])
    assert -negative_separation(weight, distance="angular").item() == pytest.approx(angle, rel=1e-3)


@pytest.mark.parametrize("distance", ["euclidean", "angular"])
def test_coincident_opposite_and_zero_neurons_have_finite_gradients(distance):
    for rows in (
        [[1.0, 2.0], [2.0, 4.0], [0.0, 1.0]],
        [[1.0, 0.0], [-1.0, 0.0]],
        [[0.0, 0.0], [0.0, 0.0]],
    ):
        weight = torch.tensor(rows, requires_grad=True)
        value = negative_separation(weight, distance=distance)
        value.backward()
        assert value.isfinite()
        assert weight.grad is not None
        assert weight.grad.isfinite().all()


def test_one_neuron_is_refused():
    with pytest.raises(ValueError, match=r"at least two neurons, got weight of shape \(1, 3\)"):
        negative_separation(torch.ones(1, 3))
