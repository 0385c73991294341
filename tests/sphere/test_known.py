"""Tables and closed forms of known minima against each other and against the configurations themselves."""

from __future__ import annotations

import math

import pytest
import torch

from sphereface_plus.mhe import hyperspherical_energy, smallest_angle
from sphereface_plus.mhe.objective import mirrored
from sphereface_plus.sphere.known import LOGARITHMIC, THOMSON, known_minimum

SIMPLEX = torch.eye(5, dtype=torch.float64) - 0.2
CROSS = torch.cat([torch.eye(4), -torch.eye(4)]).double()
TURN = torch.arange(7, dtype=torch.float64) * (2 * math.pi / 7)
HEPTAGON = torch.stack([TURN.cos(), TURN.sin()], dim=1)


@pytest.mark.parametrize("power", [0.0, 0.5, 1.0, 2.0, 3.7])
@pytest.mark.parametrize(("points", "dimensions"), [(SIMPLEX, 4), (SIMPLEX, 9), (CROSS, 4), (HEPTAGON, 2)])
def test_closed_forms_are_the_energies_of_the_configurations(points, dimensions, power):
    known = known_minimum(len(points), dimensions, power)
    assert known is not None
    assert known.proven
    energy = hyperspherical_energy(points, power=power, reduction="sum").item() / 2
    assert known.value == pytest.approx(energy, rel=1e-12)


@pytest.mark.parametrize(
    ("num_points", "dimensions", "energies"),
    [
        (12, 3, (-21.606145230, 49.165253058, 39.0)),
        (120, 4, (-1903.986315015, 5796.576455702, 5395.0)),
        (240, 8, (-9014.707636625, 21351.248340495, 16550.0)),
        (10, 9, (-17.966423165, 30.186917696, 20.25)),
        (32, 16, (-177.445678223, 347.411254970, 244.0)),
    ],
)
def test_closed_forms_have_the_published_values(num_points, dimensions, energies):
    for power, energy in enumerate(energies):
        assert known_minimum(num_points, dimensions, float(power)).value == pytest.approx(energy, rel=1e-9)


def test_tables_meet_the_closed_forms_where_both_are_known():
    for num_points in (2, 3, 4, 6, 12):
        for power, table in ((0.0, LOGARITHMIC), (1.0, THOMSON)):
            closed = known_minimum(num_points, 3, power)
            assert closed.source == "proven"
            assert table[num_points - 2] == pytest.approx(closed.value, abs=1e-9)
    assert THOMSON[5 - 2] == pytest.approx(0.5 + math.sqrt(3) + 3 * math.sqrt(2), abs=1e-9)
    assert LOGARITHMIC[5 - 2] == pytest.approx(-4 * math.log(2) - 1.5 * math.log(3), abs=1e-9)


def test_tables_are_indexed_by_the_number_of_points():
    assert known_minimum(50, 3, 1.0).value == 1055.182314726
    assert known_minimum(32, 3, 0.0).value == -127.378867615
    assert known_minimum(20, 3, 2.0).value == 133.936978568
    assert known_minimum(32, 3, math.inf).value == 37.4752140
    assert known_minimum(72, 3, 1.0).value == 2255.001190975
    assert known_minimum(13, 3, math.inf).proven
    assert not known_minimum(15, 3, math.inf).proven
    assert not known_minimum(13, 3, 1.0).proven


@pytest.mark.parametrize("power", [0.0, 1.0, 2.0])
@pytest.mark.parametrize("distance", ["euclidean", "angular"])
@pytest.mark.parametrize(("num_points", "dimensions"), [(1, 2), (2, 3), (3, 3), (4, 7)])
def test_in_half_space_orthonormal_points_are_best(num_points, dimensions, distance, power):
    settings = {"distance": distance, "half_space": True}
    points = torch.eye(num_points, dimensions, dtype=torch.float64)
    energy = hyperspherical_energy(points, power=power, reduction="sum", **settings).item() / 2
    known = known_minimum(num_points, dimensions, power, **settings)
    assert known.value == pytest.approx(energy, rel=1e-12)


def test_half_space_minima_are_those_of_configurations_that_are_their_own_mirror_image():
    assert known_minimum(6, 3, 1.0, half_space=True).value == known_minimum(12, 3, 1.0).value
    assert known_minimum(60, 4, 1.0, half_space=True).value == known_minimum(120, 4, 1.0).value
    assert known_minimum(5, 2, 1.0, half_space=True).value == known_minimum(10, 2, 1.0).value
    assert known_minimum(5, 3, 1.0, half_space=True) is None  # no universal code of 10 points


@pytest.mark.parametrize(
    ("num_points", "dimensions", "half_space", "angle"),
    [(4, 3, False, math.degrees(math.acos(-1 / 3))), (6, 3, False, 90), (5, 3, False, 90), (7, 5, False, 90),
     (9, 2, False, 40), (120, 4, False, 36), (240, 8, False, 60), (6, 3, True, 63.4349488), (3, 3, True, 90),
     (4, 2, True, 45)],
)  # fmt: skip
def test_largest_smallest_angles_have_their_closed_forms(num_points, dimensions, half_space, angle):
    known = known_minimum(num_points, dimensions, math.inf, half_space=half_space)
    assert known.proven
    assert known.value == pytest.approx(angle, abs=1e-7)


def test_the_heptagon_has_the_smallest_angle_that_is_said():
    assert known_minimum(7, 2, math.inf).value == pytest.approx(math.degrees(smallest_angle(HEPTAGON)))
    assert known_minimum(7, 2, math.inf, half_space=True).value == pytest.approx(
        math.degrees(smallest_angle(mirrored(HEPTAGON)))
    )


@pytest.mark.parametrize("distance", ["euclidean", "angular"])
def test_where_nothing_is_known_nothing_is_said(distance):
    assert known_minimum(9, 4, 1.0, distance=distance) is None
    assert known_minimum(9, 3, 1.5, distance=distance) is None
    assert known_minimum(500, 3, 1.0, distance=distance) is None
    assert known_minimum(12, 3, 1.0, distance="angular") is None  # universal in the chord, not in the angle
