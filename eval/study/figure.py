"""The picture of a study: each arm minus the control, with both intervals and every seed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from sphereface_plus.files import write_text
from sphereface_plus.plot_style import FAINT, INK, new_figure, open_frame

from ..plots import GENUINE, IMPOSTOR, as_svg, plain
from .comparisons import MEASURES, Comparison, of_arms
from .kept import Kept
from .page import name_of
from .spec import Study

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ROW = 0.34
"""Inches of an arm."""


def write_figure(study: Study, kept: Kept) -> Path | None:
    """Writes OUT/differences.svg, and returns its path; nothing where no two seeds can be compared yet."""
    measured = {words: of_arms(study, kept, measure) for measure, (_, words) in MEASURES.items()}
    if not all(measured.values()):
        return None
    write_text(kept.out / "differences.svg", differences_plot(study, measured))
    return kept.out / "differences.svg"


def differences_plot(study: Study, measured: Mapping[str, Sequence[Comparison]]) -> str:
    """A panel for each measure, by its words, and in it a line for each arm, as SVG."""
    arms = next(iter(measured.values()))
    figure = new_figure(9.5, 1.2 + ROW * len(arms))
    panels = figure.subplots(1, len(measured), sharey=True)
    for axes, (words, found) in zip(panels, measured.items(), strict=True):
        for place, each in enumerate(found):
            _line(axes, place, each, labelled=place == 0)
        axes.axvline(0, color=INK, linewidth=0.8)
        axes.grid(True, axis="x", color=FAINT, linewidth=0.6)
        axes.set_axisbelow(True)
        axes.set_xlabel(f"{words.removesuffix(' %')}: arm minus control, points")
        open_frame(axes)
    names = [name_of(study, each).replace(", minus ", ",\nminus ") for each in arms]
    panels[0].set_yticks(range(len(arms)), ["\n".join(map(plain, name.split("\n"))) for name in names])
    panels[0].set_ylim(len(arms) - 0.5, -0.5)
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=4, frameon=False)
    svg = as_svg(figure, "differences", f"{study.title}: each arm minus the control, with intervals")
    opened = svg.index(">") + 1
    # A file by itself has no page behind it, and perhaps a dark one.
    return f'{svg[:opened]}<rect width="100%" height="100%" fill="white"/>{svg[opened:]}\n'


def _line(axes: Axes, place: int, each: Comparison, *, labelled: bool) -> None:
    def label(words: str) -> str | None:
        return words if labelled else None

    seeds, people, below = each.seeds, each.people, place + 0.22
    axes.plot(
        [people.low, people.high],
        [below, below],
        color=IMPOSTOR,
        linewidth=1.4,
        label=label("95 % by person"),
    )
    axes.plot(
        [seeds.low, seeds.high],
        [place, place],
        color=GENUINE,
        linewidth=4,
        alpha=0.45,
        label=label("95 % by seed"),
    )
    places = [place] * len(each.differences)
    axes.plot(each.differences, places, "|", color=INK, markersize=7, label=label("a seed"))
    mean = each.mean
    axes.plot([mean], [place], "o", color=GENUINE, markersize=5.5, label=label("mean of the seeds"))
