"""Plots of identification, from plain numbers: CMC, rank-1 by the number of distractors, DET."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from sphereface_plus.plot_style import FAINT

from ..plots import GENUINE, MODELS, as_svg, framed_figure, legend_above, plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis

Curve = tuple[str, Sequence[float], Sequence[float]]
"""A model's label, x and y."""


def cmc_plot(name: str, curves: Sequence[Curve], description: str) -> str:
    """Share of searches whose mate is among the best k, over k."""
    figure, axes = framed_figure()
    for index, (label, ranks, shares) in enumerate(curves):
        axes.plot(ranks, shares, label=plain(label), color=_color(index, curves), linewidth=1.6)
    deepest = max(max(ranks) for _, ranks, _ in curves)
    axes.set_xscale("log")
    axes.set_xlim(1, max(2, deepest))
    ticks = [rank for rank in (1, 2, 5, 10, 20, 50, 100) if rank <= max(2, deepest)]
    axes.set_xticks(ticks, [f"{tick}" for tick in ticks])
    axes.minorticks_off()
    _share_axis(axes, min(min(shares) for _, _, shares in curves))
    axes.set_xlabel("rank k")
    axes.set_ylabel("share of searches with the mate in the best k")
    return _finished(figure, axes, curves, name, description)


def distractors_plot(
    name: str,
    curves: Sequence[Curve],
    description: str,
    ranges: Sequence[tuple[Sequence[float], Sequence[float]]] | None = None,
    label: str = "rank-1",
) -> str:
    """Rank-1 over the number of distractors, x above 0; ranges: lowest and highest of the orders or sets."""
    figure, axes = framed_figure()
    lowest = 1.0
    for index, (model, numbers, shares) in enumerate(curves):
        color = _color(index, curves)
        axes.plot(numbers, shares, "o-", label=plain(model), color=color, linewidth=1.6, markersize=4)
        lowest = min(lowest, *shares)
        if ranges is not None:
            low, high = ranges[index]
            axes.fill_between(numbers, low, high, color=color, alpha=0.2, linewidth=0)
            lowest = min(lowest, *low)
    axes.set_xscale("log")
    most = max(max(numbers) for _, numbers, _ in curves)
    ticks = [10**power for power in range(12) if 10**power <= most and 10**power >= 10]
    axes.set_xticks(ticks, [f"{tick:,}" for tick in ticks])
    axes.set_xticks([], minor=True)
    _share_axis(axes, lowest)
    axes.set_xlabel("distractors")
    axes.set_ylabel(label)
    return _finished(figure, axes, curves, name, description)


def det_plot(name: str, curves: Sequence[Curve], num_nonmated: int, description: str) -> str:
    """FNIR over FPIR, both logarithmic, from the smallest FPIR above 0 that so many searches can show."""
    figure, axes = framed_figure()
    floor = 1.0
    for index, (label, fpir, fnir) in enumerate(curves):
        x, y = np.asarray(fpir), np.asarray(fnir)
        seen = x >= 1 / num_nonmated
        # A staircase: it enters the plot at the FNIR that it has without any false positive.
        x = np.concatenate([[1 / num_nonmated], x[seen]])
        y = np.concatenate([[y[~seen][-1] if (~seen).any() else y[0]], y[seen]])
        shown = y > 0  # a logarithm has no 0
        floor = min(floor, float(y[shown].min(initial=1.0)))
        axes.plot(x[shown], y[shown], label=plain(label), color=_color(index, curves), drawstyle="steps-post")
    axes.set_xscale("log")
    axes.set_yscale("log")
    _decades(axes.xaxis, min(1 / num_nonmated, 0.5))
    _decades(axes.yaxis, min(10 ** np.floor(np.log10(floor) + 1e-9), 0.1))
    axes.set_xlabel("FPIR, share of searches without a mate that return somebody")
    axes.set_ylabel("FNIR, share of mates not returned")
    return _finished(figure, axes, curves, name, description)


def _decades(axis: Axis, lowest: float) -> None:
    """A logarithmic axis of shares, `lowest` to 1, with plain numbers."""
    decades = range(int(np.floor(np.log10(lowest) + 1e-9)), 1)
    steps = (1,) if len(decades) > 2 else (1, 2, 5)
    ticks = [step * 10.0**decade for decade in decades for step in steps]
    ticks = [tick for tick in ticks if lowest * (1 - 1e-9) <= tick <= 1]
    axis.set_ticks(ticks, [f"{tick:g}" for tick in ticks])
    axis.set_ticks([], minor=True)
    axis.axes.set(**{f"{axis.axis_name}lim": (lowest, 1)})  # type: ignore[attr-defined]


def _share_axis(axes: Axes, lowest: float) -> None:
    bottom = max(0.0, np.floor(lowest * 20 - 0.5) / 20)
    axes.set_ylim(bottom, 1 + 0.02 * (1 - bottom))


def _color(index: int, curves: Sequence[Curve]) -> str:
    return MODELS[index % len(MODELS)] if len(curves) > 1 else GENUINE


def _finished(figure: object, axes: Axes, curves: Sequence[Curve], name: str, description: str) -> str:
    axes.grid(True, color=FAINT, linewidth=0.6)
    legend_above(axes, len(curves))
    return as_svg(figure, name, description)
