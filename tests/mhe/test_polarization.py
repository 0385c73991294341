"""MHP and its relaxation against their definitions, the inner minimum by a search of the whole circle."""

from __future__ import annotations

import math

import pytest
import torch

from sphereface_plus.mhe import Polarization, relaxed_polarization


def circle(num_points: int) -> torch.Tensor:
    turn = torch.linspace(0, 2 * math.pi, num_points + 1, dtype=torch.float64)[:-1]
    return torch.stack([turn.cos(), turn.sin()], dim=1)


def literal_potentials(weight, poles, power, distance, half_space):
    points = weight / weight.norm(dim=1, keepdim=True)
    if half_space:
        points = torch.cat([points, -points])
    chords = torch.cdist(poles, points)
    rho = chords if distance == "euclidean" else 2 * torch.arcsin((chords / 2).clamp(max=1))
    return (-rho.log() if power == 0 else rho**-power).mean(dim=1)


@pytest.mark.parametrize("half_space", [False, True])
@pytest.mark.parametrize("distance", ["euclidean", "angular"])
@pytest.mark.parametrize("power", [0.0, 1.0, 2.0])
def test_poles_find_the_weakest_potential_of_the_circle(power, distance, half_space):
    weight = torch.tensor([[2.0, 0.1], [-1.0, 1.0], [0.3, -3.0], [1.0, 0.5]], dtype=torch.float64)
    objective = Polarization(
        2,
        power=power,
        distance=distance,
        half_space=half_space,
        num_poles=8,
        inner_steps=1000,
        inner_rate=0.02,
    ).double()
    objective.advance(weight, 0)
    least = literal_potentials(weight, circle(100_000), power, distance, half_space).min()
    # with angles the minimum can be a kink, opposite to a neuron, where a fixed step size goes to and fro
    torch.testing.assert_close(
        -objective(weight), least, rtol=1e-3 if distance == "angular" else 1e-8, atol=0
    )


def test_value_and_gradient_are_those_of_the_mean_potential_at_a_fixed_pole():
    weight = torch.randn(6, 4, dtype=torch.float64).requires_grad_()
    objective = Polarization(4).double()
    literal = -literal_potentials(weight, objective.poles, 2.0, "euclidean", False)[0]
    value = objective(weight)
    torch.testing.assert_close(value, literal)
    torch.testing.assert_close(
        torch.autograd.grad(value, weight)[0],
        torch.autograd.grad(literal, weight)[0],
        rtol=1e-6,  # the pole's length is 1 in float32
        atol=1e-6,
    )
    assert objective.poles.grad is None


def test_minimising_it_spreads_the_neurons():
    weight = torch.nn.functional.normalize(torch.rand(4, 2, dtype=torch.float64)).requires_grad_()
    objective = Polarization(2, num_poles=8, inner_rate=0.1).double()
    for step in range(250):
        objective.advance(weight, step)
        (gradient,) = torch.autograd.grad(objective(weight), weight)
        weight = torch.nn.functional.normalize(weight.detach() - 3 * 0.985**step * gradient).requires_grad_()
    # the square is the best: the potential at the middle of its sides
    middle = circle(8)[1:2]
    best = literal_potentials(circle(4), middle, 2.0, "euclidean", False)
    found = literal_potentials(weight, circle(10_000), 2.0, "euclidean", False).min()
    assert found.item() == pytest.approx(best.item(), rel=0.1)  # 0.25 in the beginning


def test_relaxed_polarization_is_the_length_of_the_sum():
    weight = 3 * torch.randn(5, 4, dtype=torch.float64)
    directions = [w / w.norm() for w in weight]
    total = torch.zeros(4, dtype=torch.float64)
    for u in directions:
        total = total + u
    torch.testing.assert_close(relaxed_polarization(weight), total.norm())
    torch.testing.assert_close(relaxed_polarization(weight, normalized=False), weight.sum(dim=0).norm())


def test_relaxed_polarization_is_the_polarization_of_the_kernel_minus_the_squared_distance():
    weight = torch.randn(5, 2, dtype=torch.float64)
    units = torch.nn.functional.normalize(weight)
    weakest = -torch.cdist(circle(100_000), units).square().sum(dim=1).max()
    torch.testing.assert_close(-2 * (5 + relaxed_polarization(weight)), weakest, rtol=1e-8, atol=0)


def test_relaxed_polarization_of_balanced_and_of_zero_neurons_has_a_finite_gradient():
    for rows in ([[1.0, 0.0], [-1.0, 0.0]], [[0.0, 0.0], [0.0, 0.0]]):
        weight = torch.tensor(rows, requires_grad=True)
        relaxed_polarization(weight).backward()
        assert weight.grad is not None
        assert weight.grad.isfinite().all()


def test_settings_that_make_no_sense_are_refused():
    with pytest.raises(ValueError, match="power must be a finite number >= 0, got -1"):
        Polarization(3, power=-1)
    with pytest.raises(ValueError, match="num_poles must be at least 1, got 0"):
        Polarization(3, num_poles=0)
