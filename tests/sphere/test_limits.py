"""Theorem 2: closed forms against numbers computed elsewhere, and against the energies they are limits of."""

from __future__ import annotations

import math

import pytest
import torch

from sphereface_plus.mhe import hyperspherical_energy
from sphereface_plus.sphere.known import known_minimum
from sphereface_plus.sphere.limits import energy_integral, extrapolate, grow, growth, limit, sample

INTEGRALS = {  # dimensions: I_1, I_2, I_0
    3: (1.0, math.inf, -0.193147),
    4: (0.848826, 1.0, -0.25),
    10: (0.740975, 0.571429, -0.317262),
    27: (0.717791, 0.520833, -0.336773),
    576: (0.707569, 0.500873, -0.346138),
    4096: (0.707172, 0.500122, -0.346513),
}


@pytest.mark.parametrize("dimensions", INTEGRALS)
def test_integrals_have_their_known_values(dimensions):
    for power, value in zip((1.0, 2.0, 0.0), INTEGRALS[dimensions], strict=True):
        assert energy_integral(power, dimensions) == pytest.approx(value, abs=6e-7)


@pytest.mark.parametrize(("power", "value"), [(1.5, 1.414214), (0.5, 0.942809)])
def test_integrals_of_broken_powers_on_the_sphere(power, value):
    assert energy_integral(power, 3) == pytest.approx(value, abs=6e-7)
    assert energy_integral(power, 3) == pytest.approx(2 ** (1 - power) / (2 - power))


@pytest.mark.parametrize(("power", "dimensions"), [(0.0, 3), (1.0, 5), (2.5, 6)])
def test_the_integral_is_that_over_the_angle(power, dimensions):
    theta = (torch.arange(200_000, dtype=torch.float64) + 0.5) * (math.pi / 200_000)
    density = theta.sin() ** (dimensions - 2)
    chord = 2 * (theta / 2).sin()
    kernel = -chord.log() if power == 0 else chord**-power
    integral = (kernel * density).sum() / density.sum()
    assert energy_integral(power, dimensions) == pytest.approx(integral.item(), rel=1e-6)


def test_random_points_have_the_integral_as_mean_energy():
    rows = list(sample([3, 10, 64], [0.0, 1.0, 2.0], seed=1, num_points=200))
    assert [(row.dimensions, row.power) for row in rows] == [
        (3, 0.0), (3, 1.0), (10, 0.0), (10, 1.0), (10, 2.0), (64, 0.0), (64, 1.0), (64, 2.0),
    ]  # fmt: skip
    for row in rows:
        assert abs(row.mean - row.integral) < 4 * row.standard_error
        assert row.standard_error < 5e-3


def test_limits_have_their_closed_forms():
    assert limit(1.0, 3) == (pytest.approx(1.0), "Theorem 2")
    assert limit(2.0, 3) == (pytest.approx(0.25), "Eq. (12)")
    assert limit(1.0, 2) == (pytest.approx(1 / math.pi), "Eq. (12)")
    assert limit(4.0, 3)[1] == "conjectured"
    assert math.isnan(limit(9.0, 5)[0])


@pytest.mark.parametrize("power", [1.0, 2.0, 3.0])
def test_the_polygon_tends_to_the_limit_on_the_circle(power):
    # d = 1: s = d, and s > d, where the least energies are known exactly
    first, second = ((n, 2 * known_minimum(n, 2, power).value) for n in (1000, 4000))
    assert extrapolate(first, second, power, 2) == pytest.approx(limit(power, 2)[0], rel=1e-4)
    if power > 1:
        assert second[1] / growth(4000, power, 2) == pytest.approx(limit(power, 2)[0], rel=2e-3)


def test_the_hexagonal_lattice_has_the_constant_conjectured_for_the_sphere():
    # a patch of the lattice with one point to an area of 1, and 2 pi R^(2 - s)/(s - 2) for what is beyond R
    radius, side = 200.0, math.sqrt(2 / math.sqrt(3))
    steps = torch.arange(-260, 261, dtype=torch.float64)
    squared = side**2 * (steps[:, None] ** 2 + steps[:, None] * steps + steps**2)
    inside = squared[(squared > 0) & (squared <= radius**2)]
    total = (inside**-2).sum().item() + math.pi * radius**-2
    assert limit(4.0, 3)[0] == pytest.approx(total / (4 * math.pi) ** 2, rel=1e-5)


@pytest.mark.parametrize(
    ("power", "tolerance"),
    [(1.0, 5e-3), (2.0, 0.03), (4.0, 0.03)],
)
def test_least_energies_tend_to_the_limit_on_the_sphere(power, tolerance):
    rows = list(grow(3, [power], [12, 24, 32], starts=1, seed=0))
    assert [row.num_points for row in rows] == [12, 24, 32]
    assert math.isnan(rows[0].extrapolated)
    assert rows[-1].extrapolated == pytest.approx(rows[-1].limit, rel=tolerance)
    assert rows[0].ratio < rows[1].ratio < rows[2].ratio < 1.01 * rows[2].limit
    assert rows[2].ratio == pytest.approx(rows[2].energy / growth(32, power, 3))


def test_extrapolation_is_exact_for_two_terms():
    for power, p, q in (
        (1.0, lambda n: n**2, lambda n: n**1.5),
        (2.0, lambda n: n**2 * math.log(n), lambda n: n**2),
        (4.0, lambda n: n**3, lambda n: n**2),
    ):
        first, second = ((n, 3.5 * p(n) - 2 * q(n)) for n in (10, 20))
        assert extrapolate(first, second, power, 3) == pytest.approx(3.5)


def test_random_points_have_more_energy_than_the_best():
    points = torch.nn.functional.normalize(torch.randn(24, 3, dtype=torch.float64))
    energy = hyperspherical_energy(points, power=1.0, reduction="sum").item() / 2
    assert energy > known_minimum(24, 3, 1.0).value
