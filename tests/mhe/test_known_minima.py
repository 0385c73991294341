"""Energies of optimised and of optimal configurations, against published and proven numbers.

Sums here are over unordered pairs, as in the literature: half of Eq. (1)'s.
"""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from torch import Tensor

from sphereface_plus.mhe import hyperspherical_energy

# Minima on the sphere in three dimensions: power 1 is the Thomson problem, power 0 Whyte's.
THOMSON = {
    2: 0.5, 3: 1.732050808, 4: 3.674234614, 5: 6.474691495, 6: 9.985281374, 7: 14.452977414, 8: 19.675287861,
    9: 25.759986531, 10: 32.716949460, 11: 40.596450508, 12: 49.165253058, 13: 58.853230612, 14: 69.306363297,
    15: 80.670244114, 16: 92.911655303, 17: 106.050404829, 18: 120.084467447, 19: 135.089467557,
    20: 150.881568334, 32: 412.261274651,
}  # fmt: skip
LOGARITHMIC = {
    2: -0.693147181, 3: -1.647918433, 4: -2.942487759, 5: -4.420507155, 6: -6.238324625, 7: -8.182477864,
    8: -10.428017781, 9: -12.887752726, 10: -15.563123389, 11: -18.420479721, 12: -21.606145230,
    13: -24.866721876, 14: -28.407813009, 15: -32.147876284, 16: -36.106152162, 17: -40.273066961,
    18: -44.650287259, 19: -49.199891566, 20: -54.011129975, 32: -127.378867615,
}  # fmt: skip
INVERSE_SQUARE = {
    2: 0.25, 3: 1.0, 4: 2.25, 5: 4.25, 6: 6.75, 7: 10.25, 8: 14.336791084, 9: 19.252868784, 10: 25.041359722,
    11: 31.834721637, 12: 39.0, 13: 47.773308981, 14: 57.121208598, 15: 67.486184735, 16: 78.772649031,
    17: 91.047319314, 18: 104.314685285, 19: 118.825563649, 20: 133.936978568, 32: 401.5,
}  # fmt: skip


def pair_sum(weight: Tensor, power: float, **settings) -> float:
    return hyperspherical_energy(weight, power=power, reduction="sum", **settings).item() / 2


def minimise(num_neurons: int, dimensions: int, power: float, restarts: int = 1, **settings) -> Tensor:
    """The neurons (N, D) of the lowest energy that L-BFGS finds from a few random starts."""
    generator = torch.Generator().manual_seed(num_neurons)
    found = []
    for _ in range(restarts):
        weight = torch.randn(
            num_neurons, dimensions, dtype=torch.float64, generator=generator
        ).requires_grad_()
        optimizer = torch.optim.LBFGS(
            [weight],
            max_iter=400,
            tolerance_grad=1e-11,
            tolerance_change=1e-16,
            history_size=20,
            line_search_fn="strong_wolfe",
        )

        def closure(weight=weight, optimizer=optimizer):
            optimizer.zero_grad()
            value = hyperspherical_energy(weight, power=power, **settings)
            value.backward()
            return value

        optimizer.step(closure)  # pyright: ignore[reportArgumentType]
        found.append(weight.detach())
    return min(found, key=lambda weight: hyperspherical_energy(weight, power=power, **settings).item())


@pytest.mark.parametrize(
    ("power", "num_neurons", "minimum"),
    [
        pytest.param(p, n, e, marks=[pytest.mark.slow] if 12 < n < 32 else [])
        for p, table in ((1.0, THOMSON), (0.0, LOGARITHMIC), (2.0, INVERSE_SQUARE))
        for n, e in table.items()
    ],
)
def test_optimised_points_on_the_sphere_reach_the_known_minimum(power, num_neurons, minimum):
    weight = minimise(num_neurons, 3, power, restarts=3)
    assert pair_sum(weight, power) == pytest.approx(minimum, rel=1e-9)  # the tables have nine decimals


@pytest.mark.parametrize("power", [0.0, 1.0, 2.0])
@pytest.mark.parametrize(("num_neurons", "dimensions"), [(3, 2), (5, 4), (6, 8), (10, 9)])
def test_up_to_one_neuron_more_than_dimensions_the_optimum_is_the_simplex(power, num_neurons, dimensions):
    squared_distance = 2 * num_neurons / (num_neurons - 1)
    floor = squared_distance ** (-power / 2) if power else -0.5 * math.log(squared_distance)
    simplex = (
        torch.eye(num_neurons, dtype=torch.float64) - 1 / num_neurons
    )  # the corners, seen from their centre
    assert hyperspherical_energy(simplex, power=power).item() == pytest.approx(floor, rel=1e-12)
    optimised = minimise(num_neurons, dimensions, power)
    assert hyperspherical_energy(optimised, power=power).item() == pytest.approx(floor, rel=1e-9)


@pytest.mark.parametrize(
    ("n", "e0", "e1", "e2"),
    [(4, -11.090354889, 18.970562748, 13.0), (16, -177.445678223, 347.411254970, 244.0)],
)
def test_cross_polytope_has_its_energy_and_is_found(n, e0, e1, e2):
    cross = torch.cat([torch.eye(n), -torch.eye(n)]).double()
    for power, minimum in ((0.0, e0), (1.0, e1), (2.0, e2)):
        assert pair_sum(cross, power) == pytest.approx(minimum, rel=1e-9)
    assert pair_sum(minimise(2 * n, n, 2.0, restarts=2), 2.0) == pytest.approx(e2, rel=1e-9)


def golden_ratio() -> float:
    return (1 + math.sqrt(5)) / 2


def test_icosahedron_has_its_energies():
    corners = [
        tuple(point[(axis + shift) % 3] for axis in range(3))
        for a, b in itertools.product((1, -1), (golden_ratio(), -golden_ratio()))
        for point in [(0.0, float(a), b)]
        for shift in range(3)
    ]
    icosahedron = torch.tensor(corners, dtype=torch.float64)
    for power, minimum in ((0.0, -21.606145230), (1.0, 49.165253058), (2.0, 39.0)):
        assert pair_sum(icosahedron, power) == pytest.approx(minimum, rel=1e-9)


def test_600_cell_and_e8_have_their_energies():
    phi, signs = golden_ratio(), list(itertools.product((1, -1), repeat=3))
    even = [
        p
        for p in itertools.permutations(range(4))
        if sum(p[i] > p[j] for j in range(4) for i in range(j)) % 2 == 0
    ]
    corners = [[s * (i == k) for i in range(4)] for k in range(4) for s in (2, -2)]
    corners += [list(s) for s in itertools.product((1, -1), repeat=4)]
    corners += [[(a * phi, b * 1.0, c / phi, 0.0)[p[i]] for i in range(4)] for p in even for a, b, c in signs]
    cell = torch.tensor(corners, dtype=torch.float64)
    roots = [
        [a * (i == j) + b * (i == k) for i in range(8)]
        for j, k in itertools.combinations(range(8), 2)
        for a, b in itertools.product((1, -1), repeat=2)
    ]
    roots += [[s / 2 for s in half] for half in itertools.product((1, -1), repeat=8) if math.prod(half) > 0]
    e8 = torch.tensor(roots, dtype=torch.float64)
    assert (len(cell), len(e8)) == (120, 240)
    for points, energies in (
        (cell, (-1903.986315015, 5796.576455702, 5395.0)),
        (e8, (-9014.707636625, 21351.248340495, 16550.0)),
    ):
        for power, minimum in enumerate(energies):
            assert pair_sum(points, float(power)) == pytest.approx(minimum, rel=1e-9)


@pytest.mark.parametrize(("num_neurons", "dimensions"), [(2, 2), (3, 5), (6, 6)])
def test_in_half_space_the_optimum_is_orthonormal(num_neurons, dimensions):
    n = num_neurons
    floor = (n / 4 + n * (n - 1)) / (n * (2 * n - 1))
    orthonormal = torch.eye(n, dimensions, dtype=torch.float64)
    assert hyperspherical_energy(orthonormal, half_space=True).item() == pytest.approx(floor, rel=1e-12)
    found = minimise(n, dimensions, 2.0, half_space=True)
    assert hyperspherical_energy(found, half_space=True).item() == pytest.approx(floor, rel=1e-9)
    units = torch.nn.functional.normalize(found)
    torch.testing.assert_close(units @ units.T, torch.eye(n, dtype=torch.float64), rtol=0, atol=1e-4)


def test_two_neurons_part_fully_in_full_space_and_orthogonally_in_half_space():
    # Figure 2 of the paper
    full, half = minimise(2, 2, 2.0), minimise(2, 2, 2.0, half_space=True)
    assert torch.cosine_similarity(*full, dim=0).item() == pytest.approx(-1, abs=1e-6)
    assert torch.cosine_similarity(*half, dim=0).item() == pytest.approx(0, abs=1e-5)


@pytest.mark.parametrize("power", [0.5, 1.0, 2.0])
def test_angular_energy_of_two_neurons_falls_to_that_of_the_angle_pi(power):
    floor = math.pi**-power
    for _ in range(20):
        assert (
            hyperspherical_energy(torch.randn(2, 3).double(), power=power, distance="angular").item() > floor
        )
    weight = torch.randn(2, 3, dtype=torch.float64).requires_grad_()
    for step in range(500):
        value = hyperspherical_energy(weight, power=power, distance="angular")
        (gradient,) = torch.autograd.grad(value, weight)
        weight = (weight - 5 * 0.98**step * gradient).detach().requires_grad_()  # the minimum is a kink
    assert hyperspherical_energy(weight, power=power, distance="angular").item() == pytest.approx(
        floor, rel=1e-3
    )
