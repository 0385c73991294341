"""The figures: what they show of the energies, and that the files say so."""

from __future__ import annotations

import csv
import math

import pytest
import torch

from sphereface_plus.mhe import hyperspherical_energy, orthonormal_penalty, smallest_angle
from sphereface_plus.mhe.objective import mirrored
from sphereface_plus.sphere.drawing import FRONT, view
from sphereface_plus.sphere.figures import draw, follow_gradient, recorded_steps, ways_of
from sphereface_plus.sphere.optimise import random_points


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """number -> (panel -> (T, N, n) path, caption), drawn with fewer steps."""
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("figures")
    found = {}
    for number in (1, 2, 5, 6):
        png, table, caption = draw(number, folder, steps=1000)
        assert png.read_bytes().startswith(b"\x89PNG")
        with table.open() as file:
            rows = list(csv.DictReader(file))
        axes = [name for name in rows[0] if name.startswith("x")]
        panels = {}
        for row in rows:
            path = panels.setdefault(row["panel"], {})
            path.setdefault(int(row["step"]), []).append([float(row[x]) for x in axes])
        assert all(list(path) == recorded_steps(1000) for path in panels.values())
        found[number] = (
            {title: torch.tensor(list(path.values()), dtype=torch.float64) for title, path in panels.items()},
            caption.read_text(),
        )
    return found


def test_figure_1_has_the_orthonormal_the_full_and_the_half_space_end(drawn):
    panels, caption = drawn[1]
    assert list(panels) == ["Orthonormal", "MHE", "Half-space MHE"]
    starts = [path[0] for path in panels.values()]
    assert torch.equal(starts[0], starts[1])
    assert torch.equal(starts[0], starts[2])
    orthonormal, full, half = (path[-1] for path in panels.values())
    energies = [hyperspherical_energy(points).item() for points in (orthonormal, full, half)]
    assert min(energies) == energies[1]
    energies = [hyperspherical_energy(points, half_space=True).item() for points in (orthonormal, full, half)]
    assert min(energies) == energies[2]
    assert smallest_angle(full) > smallest_angle(orthonormal)
    assert smallest_angle(mirrored(half)) > 2 * smallest_angle(mirrored(full))
    assert f"| MHE | {hyperspherical_energy(full).item():.4f} |" in caption


def test_figure_2_has_an_opposite_and_an_orthogonal_pair(drawn):
    panels, caption = drawn[2]
    full, half = (path[-1] for path in panels.values())
    assert (full[0] @ full[1]).item() == pytest.approx(-1, abs=1e-4)
    assert (half[0] @ half[1]).item() == pytest.approx(0, abs=1e-2)
    assert "opposite to each other (180.0°)" in caption


@pytest.mark.parametrize(("number", "heavy"), [(5, 1), (6, 2)])
def test_in_figures_5_and_6_the_heaviest_neurons_move_least(drawn, number, heavy):
    panels, caption = drawn[number]
    name = "beta_1" if heavy == 1 else "beta_1 = beta_2"
    assert list(panels) == [f"{name} = {beta}" for beta in (1, 2, 4, 10)]
    ways = torch.stack([ways_of(path) for path in panels.values()])
    assert (ways[3, :heavy] < 0.2 * ways[0, :heavy]).all()
    assert (ways[3, :heavy] < 0.2 * ways[3, heavy:].mean()).all()
    assert f"| {name} = 1 | {ways[0, 0]:.1f}°" in caption


def test_unweighted_panels_of_figures_5_and_6_are_the_middle_of_figure_1(drawn):
    middle = drawn[1][0]["MHE"]
    assert torch.equal(drawn[5][0]["beta_1 = 1"], middle)
    assert torch.equal(drawn[6][0]["beta_1 = beta_2 = 1"], middle)


def test_following_the_gradient_is_gradient_descent():
    start = random_points(5, 3, 0, 0)
    path = follow_gradient(orthonormal_penalty, start, rate=0.01, steps=3, on_sphere=False)
    weight = start.clone()
    for step in range(4):
        torch.testing.assert_close(path[step], torch.nn.functional.normalize(weight))
        excess = weight @ weight.T - torch.eye(5, dtype=torch.float64)
        weight = weight - 0.01 * 4 * excess @ weight
    assert recorded_steps(3) == [0, 1, 2, 3]


def test_the_way_of_a_neuron_is_measured_along_the_sphere():
    turn = torch.linspace(0, math.pi / 2, 10, dtype=torch.float64)
    path = torch.stack([turn.cos(), turn.sin()], dim=1)[:, None]
    assert ways_of(path).item() == pytest.approx(90)


def test_the_view_is_a_rotation_with_the_eye_in_front():
    rotation = view(FRONT)
    torch.testing.assert_close(rotation @ rotation.T, torch.eye(3, dtype=torch.float64))
    assert torch.linalg.det(rotation).item() == pytest.approx(1)
    torch.testing.assert_close(rotation[2] * FRONT.norm(), FRONT)
    assert rotation[1, 2] > 0  # the north pole is up
