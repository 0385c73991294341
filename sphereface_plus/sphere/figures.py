"""Figures 1, 2, 5 and 6 of https://arxiv.org/abs/1805.09298: neurons that follow the gradient of an energy.

Plain gradient descent, as in the paper, which states neither power nor step size: here power 2 and a step of
0.03 of the mean energy's gradient (0.01 of the orthonormal penalty's). So that the panels of a figure can be
compared, the start and the number of steps are the same in all of them.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from sphereface_plus.files import write_csv, write_figure, write_text
from sphereface_plus.mhe import hyperspherical_energy, orthonormal_penalty, smallest_angle
from sphereface_plus.mhe.kernel import directions
from sphereface_plus.mhe.objective import mirrored
from sphereface_plus.plot_style import INK, new_figure
from sphereface_plus.words import counted

from .drawing import BLUE, FRONT, GREEN, PINK, RED, Sphere
from .known import known_minimum
from .optimise import random_points

if TYPE_CHECKING:
    from matplotlib.figure import Figure

POWER, RATE, NUM_NEURONS = 2.0, 0.03, 10
RECORDED = 50
"""At most so many iterates are kept of a descent, beside the start."""


@dataclass(frozen=True)
class Panel:
    """One sphere of a figure."""

    title: str
    path: Tensor
    """(T, N, n) unit neurons at the recorded steps, from the start to the end."""
    half_space: bool = False
    heavy: int = 0
    """So many neurons, the first ones, have a weight of their own, and show their way."""

    @property
    def end(self) -> Tensor:
        return self.path[-1]


def draw(number: int, folder: Path, *, seed: int = 0, steps: int = 4000) -> list[Path]:
    """Write figure<number>.png, .csv (every recorded iterate) and .md (the caption); returns their paths.

    seed: of the random start. steps: of the descent.
    """
    panels, figure, caption = {1: _figure1, 2: _figure2, 5: _figure5, 6: _figure6}[number](seed, steps)
    files = [folder / f"figure{number}.{suffix}" for suffix in ("png", "csv", "md")]
    write_figure(files[0], figure)
    header = ["panel", "step", "neuron", *(f"x{axis + 1}" for axis in range(panels[0].end.shape[1]))]
    rows = [
        [panel.title, step, neuron + 1, *(f"{x:.6f}" for x in point)]
        for panel in panels
        for step, neurons in zip(recorded_steps(steps), panel.path.tolist(), strict=True)
        for neuron, point in enumerate(neurons)
    ]
    write_csv(files[1], header, rows)
    write_text(files[2], f"# Figure {number}\n\n{caption}\n")
    return files


def follow_gradient(
    objective: Callable[[Tensor], Tensor], start: Tensor, *, rate: float, steps: int, on_sphere: bool = True
) -> Tensor:
    """Gradient descent from (N, n); returns the directions at the recorded steps, (T, N, n).

    on_sphere: bring the neurons back to length 1 after each step, which keeps the step size what it is.
    """
    weight, path = start.clone(), []
    kept = recorded_steps(steps)
    for step in range(steps + 1):
        if step in kept:
            path.append(directions(weight))
        weight.requires_grad_()
        (gradient,) = torch.autograd.grad(objective(weight), weight)
        weight = weight.detach() - rate * gradient
        if on_sphere:
            weight = directions(weight)
    return torch.stack(path)


def recorded_steps(steps: int) -> list[int]:
    """The steps whose iterates are kept: closer together in the beginning, where the neurons are fast."""
    return sorted({round(steps * (record / RECORDED) ** 2) for record in range(RECORDED + 1)})


def _with_and_without_half_space(energy: Callable[..., Tensor], start: Tensor, steps: int) -> list[Panel]:
    half_space = partial(energy, half_space=True)
    return [
        Panel("MHE", follow_gradient(energy, start, rate=RATE, steps=steps)),
        Panel("Half-space MHE", follow_gradient(half_space, start, rate=RATE, steps=steps), True),
    ]


def _figure1(seed: int, steps: int) -> tuple[list[Panel], Figure, str]:
    start = random_points(NUM_NEURONS, 3, seed, 1)
    energy = partial(hyperspherical_energy, power=POWER)
    panels = [
        Panel(
            "Orthonormal",
            follow_gradient(orthonormal_penalty, start, rate=0.01, steps=steps, on_sphere=False),
        ),
        *_with_and_without_half_space(energy, start, steps),
    ]
    figure = new_figure(9.6, 3.5)
    for panel, axes in zip(panels, figure.subplots(1, 3), strict=True):
        _draw_neurons(panel, Sphere(axes))
        axes.set_title(panel.title, color=INK, fontsize=11)
    best = known_minimum(NUM_NEURONS, 3, POWER)
    assert best is not None
    pairs = NUM_NEURONS * (NUM_NEURONS - 1) / 2
    lines = [
        f"{NUM_NEURONS} neurons in three dimensions, {counted(steps, 'step')} from the same random "
        f"start (seed {seed}). "
        "Red: neurons; pink: the virtual neurons of the half-space; rings: on the far side. The orthonormal "
        "penalty |W W^T - I|_F^2 cannot make more neurons than dimensions orthogonal, and leaves some close "
        "together; MHE spreads them over the sphere, half-space MHE over the sphere of lines.",
        "",
        "| | mean energy, s = 2 | mean half-space energy | smallest angle | smallest angle of lines |",
        "|---|---|---|---|---|",
        *(
            f"| {title} | {energy(points).item():.4f} | {energy(points, half_space=True).item():.4f} "
            f"| {math.degrees(smallest_angle(points)):.2f}° "
            f"| {math.degrees(smallest_angle(mirrored(points))):.2f}° |"
            for title, points in [("start", start), *((panel.title, panel.end) for panel in panels)]
        ),
        "",
        f"The least mean energy known for 10 points is {best.value / pairs:.4f}.",
    ]
    return panels, figure, "\n".join(lines)


def _figure2(seed: int, steps: int) -> tuple[list[Panel], Figure, str]:
    start = random_points(2, 2, seed, 1)
    energy = partial(hyperspherical_energy, power=POWER)
    panels = _with_and_without_half_space(energy, start, steps)
    figure = new_figure(6.2, 3.3)
    for panel, axes in zip(panels, figure.subplots(1, 2), strict=True):
        circle = Sphere(axes, dimensions=2)
        circle.rays(start, color=INK, linestyle=":", linewidth=1)
        circle.rays(panel.end, color=RED, linewidth=1.6)
        if panel.half_space:
            circle.rays(-panel.end, color=PINK, linewidth=1.6)
        _draw_neurons(panel, circle)
        axes.set_title(panel.title, color=INK, fontsize=11)
    angles = [math.degrees(smallest_angle(points)) for points in (start, panels[0].end, panels[1].end)]
    caption = (
        f"Two neurons in two dimensions, {counted(steps, 'step')} from the same start (dotted, "
        f"{angles[0]:.1f}° apart; "
        f"seed {seed}). With MHE they end opposite to each other ({angles[1]:.1f}°), as one line; with "
        f"half-space MHE, whose virtual neurons are pink, orthogonal ({angles[2]:.1f}°)."
    )
    return panels, figure, caption


def _figure5(seed: int, steps: int) -> tuple[list[Panel], Figure, str]:
    return _weighted(1, seed, steps)


def _figure6(seed: int, steps: int) -> tuple[list[Panel], Figure, str]:
    return _weighted(2, seed, steps)


def _weighted(heavy: int, seed: int, steps: int) -> tuple[list[Panel], Figure, str]:
    """Weighted MHE, Eq. (18): the first `heavy` of the neurons have beta 1, 2, 4, 10, the others 1."""
    start = random_points(NUM_NEURONS, 3, seed, 1)
    names = "beta_1" if heavy == 1 else "beta_1 = beta_2"
    panels = []
    for beta in (1.0, 2.0, 4.0, 10.0):
        betas = torch.ones(NUM_NEURONS, dtype=torch.float64)
        betas[:heavy] = beta
        energy = partial(hyperspherical_energy, power=POWER, neuron_weights=betas)
        path = follow_gradient(energy, start, rate=RATE, steps=steps)
        panels.append(Panel(f"{names} = {beta:g}", path, heavy=heavy))
    # seen from the weighted neurons' side, turned a little, or their rays would point at the eye
    side = directions(start[:heavy].sum(dim=0, keepdim=True))[0]
    towards = side + 0.8 * directions(torch.linalg.cross(side, FRONT)[None])[0]
    figure = new_figure(12.0, 3.4)
    for panel, axes in zip(panels, figure.subplots(1, 4), strict=True):
        _draw_neurons(panel, Sphere(axes, towards=towards))
        axes.set_title(
            panel.title.replace("beta_1", "$β_1$").replace("beta_2", "$β_2$"), color=INK, fontsize=11
        )
    which = "neuron 1 has" if heavy == 1 else "neurons 1 and 2 have"
    colours = "blue-green" if heavy == 1 else "blue-green (1) and green (2)"
    lines = [
        f"Weighted MHE, Eq. (18), of {NUM_NEURONS} neurons in three dimensions: {which} the weight named "
        f"above, the others 1. {counted(steps, 'step')} from the same random start (seed {seed}). Red: "
        "the other "
        f"neurons at the end. Squares, {colours}: iterates of the weighted neurons, joined by dashes; solid "
        "lines from the centre: their end. Rings: on the far side. A neuron of weight 4 or 10 hardly moves; "
        "the others settle around it.",
        "",
        "| | " + " | ".join(f"way of neuron {k + 1}" for k in range(heavy)) + " | mean way of the others |",
        "|---|" + "---|" * (heavy + 1),
        *(
            f"| {panel.title} | "
            + " | ".join(f"{way:.1f}°" for way in [*ways[:heavy].tolist(), ways[heavy:].mean().item()])
            + " |"
            for panel in panels
            for ways in [ways_of(panel.path)]
        ),
    ]
    return panels, figure, "\n".join(lines)


def ways_of(path: Tensor) -> Tensor:
    """(T, N, n) iterates -> (N,): the length of each neuron's way in degrees."""
    gaps = (path[1:] - path[:-1]).norm(dim=2)
    return (2 * (gaps / 2).arcsin()).sum(dim=0).rad2deg()


def _draw_neurons(panel: Panel, sphere: Sphere) -> None:
    if panel.half_space:
        sphere.dots(-panel.end, color=PINK)
    for neuron, colour in zip(range(panel.heavy), (BLUE, GREEN), strict=False):
        way = panel.path[:, neuron]
        sphere.line(way, color=colour, linestyle="--", linewidth=0.8, zorder=2)
        sphere.dots(way, color=colour, size=7, marker="s")
        sphere.rays(way[-1:], color=colour, linewidth=1.6)
        sphere.dots(way[-1:], color=colour)
    sphere.dots(panel.end[panel.heavy :], color=RED)
