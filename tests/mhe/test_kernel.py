"""Distances and the kernel at their fragile ends."""

from __future__ import annotations

import math

import pytest
import torch

from sphereface_plus.mhe.kernel import (
    close_cosine,
    close_riesz,
    directions,
    floor_of,
    lengths_of,
    riesz,
    squared_distance,
)

POWERS = [0.0, 0.5, 1.0, 2.0, 3.7, 20.0, 100.0, 1000.0]


@pytest.mark.parametrize("power", POWERS)
@pytest.mark.parametrize("z", [0.01, 0.7, 2.0])
def test_kernel_is_a_power_of_the_distance_or_its_negative_logarithm(power, z):
    squared = torch.tensor(z * z, dtype=torch.float64)
    if power < 100:
        torch.testing.assert_close(riesz(squared, power).item(), z**-power if power else -math.log(z))
    torch.testing.assert_close(riesz(squared, power, relaxed=True).item(), -power * math.log(z))


@pytest.mark.parametrize("angle", [0.3, 1.0, 3.0])
def test_squared_distance_is_that_of_the_chord_or_of_the_angle(angle):
    cosine = torch.tensor(math.cos(angle), dtype=torch.float64)
    assert squared_distance(cosine, "euclidean").item() == pytest.approx(
        (2 * math.sin(angle / 2)) ** 2, rel=1e-12
    )
    assert squared_distance(cosine, "angular").item() == pytest.approx(angle**2, rel=1e-12)


@pytest.mark.parametrize("distance", ["euclidean", "angular"])
@pytest.mark.parametrize("angle", [1e-4, 1e-3, 0.01, 0.1, 1.0, 3.1, math.pi - 1e-3])
def test_close_distances_are_exact_in_float32(distance, angle, pair_at):
    # 2 - 2 cos would be wrong by 100 % at 1e-4 and arccos by 0.1 % at pi - 1e-3
    left, right = directions(pair_at(angle, 512).float()).split(1)
    expected = angle if distance == "angular" else 2 * math.sin(angle / 2)
    z = close_riesz(left, right, 1.0, distance).reciprocal().item()
    assert z == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("distance", ["euclidean", "angular"])
@pytest.mark.parametrize("power", POWERS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_value_and_force_are_finite_from_coincident_to_opposite(distance, power, dtype, pair_at):
    for angle in [0.0, 1e-30, 1e-12, 1e-7, 1e-3, 0.5, math.pi / 2, math.pi - 1e-7, math.pi]:
        left, right = directions(pair_at(angle, 3).to(dtype)).split(1)
        left.requires_grad_()
        value = close_riesz(left, right, power, distance)
        (force,) = torch.autograd.grad(value.sum(), left)
        assert value.isfinite().all(), angle
        assert force.isfinite().all(), angle


def test_coincident_directions_feel_no_force():
    left = torch.tensor([[0.6, 0.8]], requires_grad=True)
    close_riesz(left, left.detach(), 2.0, "euclidean").sum().backward()
    assert left.grad is not None
    assert not left.grad.any()


@pytest.mark.parametrize("power", POWERS)
def test_below_the_floor_the_kernel_goes_on_along_its_tangent(power):
    floor = floor_of(torch.float64, power)
    at, left = math.sqrt(floor), torch.zeros(1, 1, dtype=torch.float64)

    def value(z: float) -> float:
        return close_riesz(left, left + z, power, "euclidean").item()

    assert value(at) == pytest.approx(riesz(torch.tensor(floor, dtype=torch.float64), power).item(), rel=1e-9)
    slope_below = (value(0.0) - value(at * math.sqrt(0.5))) / (0.5 * floor)
    slope_above = (value(at) - value(at * math.sqrt(1 + 1e-5))) / (1e-5 * floor)
    assert slope_below > 0
    assert slope_below == pytest.approx(slope_above, rel=0.05)


def test_no_distance_that_float32_resolves_lies_below_the_floor_at_the_powers_in_use():
    for power in (0.0, 1.0, 2.0):
        assert math.sqrt(floor_of(torch.float32, power)) < torch.finfo(torch.float32).eps


@pytest.mark.parametrize("power", POWERS)
def test_pairs_below_the_floor_are_always_among_the_close_ones(power):
    for dtype in (torch.float32, torch.float64):
        assert 2 - 2 * close_cosine(dtype, power) >= floor_of(dtype, power) * (1 - 1e-6)


def test_a_neuron_without_direction_is_a_zero_row_without_gradient():
    weight = torch.tensor([[3.0, 4.0], [0.0, 0.0], [1e-30, 0.0]], requires_grad=True)
    units = directions(weight)
    assert torch.equal(units, torch.tensor([[0.6, 0.8], [0.0, 0.0], [0.0, 0.0]]))
    units.sum().backward()
    assert weight.grad is not None
    assert weight.grad.isfinite().all()
    assert not weight.grad[1:].any()
    assert lengths_of(weight.detach()).flatten().tolist() == [5.0, math.inf, math.inf]
