"""Plots of one configuration and of Theorem 2's limits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from sphereface_plus.plot_style import FAINT, INK, new_figure, open_frame

from .drawing import BLUE, GREEN, PINK, RED, Sphere
from .limits import Growth, Sampled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = (BLUE, RED, GREEN)


def configuration_plot(points: Tensor, half_space: bool) -> Figure:
    """(N, n): the points on their sphere, where that can be drawn (n = 2, 3), and the angles of all pairs."""
    drawable = points.shape[1] <= 3
    figure = new_figure(7.6 if drawable else 4.2, 3.6)
    axes = figure.subplots(1, 2 if drawable else 1, squeeze=False)[0]
    if drawable:
        sphere = Sphere(axes[0], points.shape[1])
        if half_space:
            sphere.dots(-points, color=PINK)
        sphere.dots(points, color=RED)
    rows, columns = torch.triu_indices(len(points), len(points), offset=1)
    gap, total = points[rows] - points[columns], points[rows] + points[columns]
    angles = torch.rad2deg(2 * torch.atan2(gap.norm(dim=1), total.norm(dim=1)))
    axes[-1].hist(angles.tolist(), bins=60, range=(0, 180), color=BLUE)
    axes[-1].set_xticks(range(0, 181, 30))
    _label(axes[-1], "angle of a pair of points, degrees", "pairs in each 3°")
    return figure


def growth_plot(rows: Sequence[Growth], random: dict[float, float]) -> Figure:
    """A panel for each power: energy / p(N) over N, with the closed form.

    random: power -> I_s, where it is finite: random points have the ratio I_s (N - 1)/N.
    """
    powers = list(dict.fromkeys(row.power for row in rows))
    figure = new_figure(3.6 * len(powers), 3.3)
    for power, axes in zip(powers, figure.subplots(1, len(powers), squeeze=False)[0], strict=True):
        own = [row for row in rows if row.power == power]
        counts = [row.num_points for row in own]
        found, ahead = [row.ratio for row in own], [row.extrapolated for row in own]
        axes.plot(counts, found, "o-", color=BLUE, markersize=4, label="least energy found")
        axes.plot(counts, ahead, "s", color=GREEN, markersize=4, label="extrapolated")
        if power in random:
            expected = [random[power] * (n - 1) / n for n in counts]
            axes.plot(counts, expected, ":", color=RED, label="random points, expected")
        limit, basis = own[0].limit, own[0].basis
        axes.axhline(limit, color=INK, linestyle="--", linewidth=1, label=f"limit ({basis})")
        axes.set_ylim(0, 1.1 * max([limit, *found]))
        _ticks(axes, counts)
        axes.set_title(f"s = {power:g}", color=INK, fontsize=11)
        _label(axes, "number of points N", "energy / p(N)" if power == powers[0] else "")
        axes.legend(frameon=False, fontsize=8, loc="lower right")
    return figure


def sample_plot(rows: Sequence[Sampled]) -> Figure:
    """Mean pair energy of random points, with three standard errors, over the dimension; lines: I_s."""
    figure = new_figure(5.2, 3.4)
    axes = figure.subplots()
    for power, colour in zip(dict.fromkeys(row.power for row in rows), COLOURS, strict=False):
        own = [row for row in rows if row.power == power]
        dimensions = [row.dimensions for row in own]
        axes.plot(dimensions, [row.integral for row in own], "-", color=colour, linewidth=1)
        errors = [3 * row.standard_error for row in own]
        style = {"fmt": "o", "color": colour, "markersize": 4, "capsize": 3}
        axes.errorbar(dimensions, [row.mean for row in own], errors, label=f"s = {power:g}", **style)
    _ticks(axes, sorted({row.dimensions for row in rows}))
    _label(axes, "dimensions n", "mean pair energy")
    axes.legend(frameon=False)
    return figure


def _ticks(axes: Axes, numbers: Sequence[int]) -> None:
    axes.set_xscale("log", base=2)
    axes.set_xticks(numbers, [str(number) for number in numbers])
    axes.minorticks_off()


def _label(axes: Axes, x: str, y: str) -> None:
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.grid(True, color=FAINT, linewidth=0.6)
    axes.set_axisbelow(True)
    open_frame(axes)
