"""Plots as SVG text that goes into a page as it is: no script, no file beside it, no reference outside."""

from __future__ import annotations

import html
import io
import re
import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from sphereface_plus.plot_style import FAINT, INK, new_figure, open_frame

from .statistics import Roc

if TYPE_CHECKING:
    from matplotlib.axes import Axes

GENUINE, IMPOSTOR = "#1f5f8b", "#d1662b"  # told apart with any colour vision
LONGEST_LABEL = 36
LINE = 64
"""Letters that a figure is wide."""
MODELS = ("#5f6b76", "#1f5f8b", "#d1662b", "#3a8f6d", "#8a5a9e", "#b59a2f", "#b03a5b", "#2aa1b3")
"""Line colours of models side by side; a ninth model takes the first again, with its own dashes."""


def roc_plot(name: str, curves: Sequence[tuple[str, Roc]], num_impostors: int, description: str) -> str:
    """TAR over FAR, logarithmic, from the smallest FAR above 0 that the number of impostor pairs can show."""
    figure, axes = framed_figure()
    floor = 1.0
    for index, (label, curve) in enumerate(curves):
        seen = curve.far >= 1 / num_impostors
        # The curve is a staircase: it enters the plot at the TAR that it has without any false accept.
        far = np.concatenate([[1 / num_impostors], curve.far[seen]])
        tar = np.concatenate([[curve.tar[~seen][-1]], curve.tar[seen]])
        floor = min(floor, float(tar[0]))
        dashes = "--" if index >= len(MODELS) else "-"
        color = MODELS[index % len(MODELS)] if len(curves) > 1 else GENUINE
        axes.plot(far, tar, dashes, color=color, label=plain(label), drawstyle="steps-post", linewidth=1.6)
    axes.set_xscale("log")
    axes.set_xlim(1 / num_impostors, 1)
    bottom = max(0.0, np.floor(floor * 20 - 1) / 20)
    axes.set_ylim(bottom, 1 + 0.02 * (1 - bottom))
    axes.set_xlabel("FAR, share of impostor pairs accepted")
    axes.set_ylabel("TAR, share of genuine pairs accepted")
    axes.grid(True, color=FAINT, linewidth=0.6)
    legend_above(axes, len(curves))
    return as_svg(figure, name, description)


def curve_of(points: Mapping[str, Sequence[float]]) -> Roc:
    """The curve of a report's fields `far` and `tar`, whose thresholds it does not keep."""
    far, tar = np.array(points["far"]), np.array(points["tar"])
    return Roc(np.full(len(far), np.nan), far, tar)


def histograms(
    name: str,
    kinds: Sequence[tuple[str, np.ndarray]],
    threshold: tuple[str, float],
    what: str,
    description: str,
) -> str:
    """Distributions of the scores of two kinds, and a threshold between them.

    kinds: label and scores of the impostors' kind and of the genuine one, in this order.
    threshold: its label, and where it is. what: whose shares are counted, in words.
    """
    figure, axes = framed_figure()
    lowest, highest = min(each.min() for _, each in kinds), max(each.max() for _, each in kinds)
    edges = np.linspace(lowest, highest + 1e-9, 61)
    for (label, scores), color in zip(kinds, (IMPOSTOR, GENUINE), strict=True):
        share = np.histogram(scores, edges)[0] / len(scores)
        axes.stairs(share, edges, fill=True, color=color, alpha=0.25)
        axes.stairs(share, edges, color=color, linewidth=1.4, label=label)
    axes.axvline(threshold[1], color=INK, linestyle="--", linewidth=1, label=threshold[0])
    axes.set_xlim(edges[0], edges[-1])
    axes.set_ylim(bottom=0)
    axes.set_xlabel("score (cosine)")
    axes.set_ylabel(f"share of {what} in each of 60 bins")
    axes.legend(frameon=False, loc="lower center", bbox_to_anchor=(0.5, 1), ncols=3)
    return as_svg(figure, name, description)


def interval_plot(
    name: str, rows: Sequence[tuple[str, float, tuple[float, float]]], label: str, description: str
) -> str:
    """One line a row: a value with its interval."""
    figure, axes = framed_figure(height=0.9 + 0.42 * len(rows))
    for index, (_, value, (low, high)) in enumerate(rows):
        color = MODELS[index % len(MODELS)]
        axes.plot([low, high], [index, index], color=color, linewidth=2.2, solid_capstyle="round")
        axes.plot([value], [index], "o", color=color, markersize=7)
    axes.set_yticks(range(len(rows)), [plain(row[0]) for row in rows])
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.set_xlabel(label)
    axes.grid(True, axis="x", color=FAINT, linewidth=0.6)
    return as_svg(figure, name, description)


def plain(label: str) -> str:
    """A label as it is: matplotlib takes $ for mathematics, and leaves out of a legend what begins with _.

    A long one loses its middle; most is left of its end, which tells paths apart.
    """
    if len(label) > LONGEST_LABEL:
        label = f"{label[: LONGEST_LABEL // 3]}…{label[1 + LONGEST_LABEL // 3 - LONGEST_LABEL :]}"
    return ("\u200b" if label.startswith("_") else "") + label.replace("$", r"\$")


def legend_above(axes: Axes, curves: int) -> None:
    """The labels of so many curves, where there are several, above the plot, which grows by their lines:
    inside, long names would lie on the curves."""
    if curves < 2:
        return
    longest = max(len(label) for label in axes.get_legend_handles_labels()[1])
    columns = max(1, min(curves, LINE // (longest + 6)))
    axes.legend(frameon=False, loc="lower center", bbox_to_anchor=(0.5, 1), ncols=columns)
    figure = axes.figure
    width, height = figure.get_size_inches()  # type: ignore[union-attr]
    figure.set_size_inches(width, height + 0.22 * -(-curves // columns))  # type: ignore[union-attr]


def framed_figure(height: float = 3.9) -> tuple[object, Axes]:
    """A figure and its axes, as all plots of a page have them."""
    figure = new_figure(5.6, height)
    axes = figure.add_subplot()
    open_frame(axes)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(INK)
    axes.tick_params(colors=INK)
    axes.set_axisbelow(True)
    return figure, axes


def as_svg(figure: object, name: str, description: str) -> str:
    """The figure as one <svg>, deterministic, with what it shows in words for those who do not see it."""
    from matplotlib import rc_context

    buffer = io.StringIO()
    # Text stays text. The salt names clip paths per figure, as one page holds several figures.
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": name}), warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"Glyph \d+ .* missing from font")  # the browser has others
        nothing = dict.fromkeys(["Date", "Creator", "Format", "Type"])
        figure.savefig(buffer, format="svg", transparent=True, metadata=nothing)  # type: ignore[attr-defined]
    svg = buffer.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>\s*", "", svg, flags=re.DOTALL)
    referenced = set(re.findall(r"#([\w-]+)", svg))
    svg = re.sub(r' id="([^"]+)"', lambda found: found[0] if found[1] in referenced else "", svg)
    return svg.replace("<svg ", f'<svg role="img" aria-label="{html.escape(description)}" ', 1)
