"""Plots of numbers through training, methods together: mean and standard deviation over seeds."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sphereface_plus.config import GanConfig
from sphereface_plus.files import write_csv, write_figure, write_text
from sphereface_plus.plot_style import new_figure
from sphereface_plus.reproduce.spec import Budget, Job, Table, TableConfig, settings_of
from sphereface_plus.training.logs import read_log

COLORS = ("#30363d", "#c23b3b", "#1f7a8c", "#2f9e44", "#b7791f", "#6b4c9a")
STYLES = [(color, line) for line in ("-", "--", ":") for color in COLORS]
"""Enough for the thirteen methods of Table 1."""
ACROSS = 4
OF_LAYERS = {
    "energy": "Mean energy of the neurons of each layer, s = 2, through training; the same measure for every "
    "method, whatever it minimises.",
    "half_space_energy": "Mean energy of the neurons and their opposites of each layer, s = 2, through "
    "training; the same measure for every method, whatever it minimises.",
    "largest_singular_value": "Largest singular value of each layer's weights, before any normalisation, at "
    "the checkpoints of the training.",
}
"""What a log says of each layer, as `energy/convolutions_0`: its caption."""


@dataclass(frozen=True)
class Course:
    """One number of one method through training."""

    panel: str
    row: str
    steps: Sequence[int]
    values: np.ndarray
    """(seeds, steps)."""


def of_layers(
    table: Table,
    budget: Budget,
    seeds: int,
    folders: Mapping[Job, Path],
    rows: Sequence[str],
    measure: str,
) -> list[Course]:
    """One of OF_LAYERS by layer, in the first column's runs; none where their logs do not have it."""
    column = next(iter(budget.columns or table.columns))
    found = []
    for row in rows:
        settings = settings_of(table, budget, row, column)
        logs = [read_log(folders[Job(row, seed, settings)] / "log.jsonl") for seed in range(seeds)]
        names = [name for line in logs[0] for name in line if name.startswith(f"{measure}/")]
        for name in dict.fromkeys(names):
            # A step may be logged twice, by the update and with a checkpoint: the same weights' numbers.
            of_steps = [{line["step"]: line[name] for line in log if name in line} for log in logs]
            values = np.array([list(of_step.values()) for of_step in of_steps])
            steps = [int(step) for step in of_steps[0]]
            found.append(Course(name.removeprefix(f"{measure}/"), row, steps, values))
    return found


def steps_of_updates(configs: Mapping[Job, TableConfig]) -> dict[str, int]:
    """Row -> steps to one update of the generator."""
    return {job.row: it.n_dis for job, it in configs.items() if isinstance(it, GanConfig)}


def write(
    courses: Sequence[Course],
    name: str,
    header: tuple[str, str],
    caption: str,
    table: Table,
    out: Path,
    n_dis: Mapping[str, int],
) -> Path:
    """The plot, its numbers and its caption; a panel for each name, its axis in updates of the generator
    where there is one.

    header: what panels and values are called in the CSV.
    """
    panels = list(dict.fromkeys(course.panel for course in courses))
    across = min(ACROSS, len(panels))
    down = math.ceil(len(panels) / across)
    figure = new_figure(2.75 * across, 2.2 * down + 0.4)
    places = figure.subplots(down, across, squeeze=False).flatten()
    of_panel = dict(zip(panels, places, strict=False))
    rows = list(dict.fromkeys(course.row for course in courses))
    style, shown = dict(zip(rows, STYLES, strict=False)), {}
    for course in courses:
        color, line = style[course.row]
        x = np.array(course.steps) / n_dis.get(course.row, 1)
        mean = course.values.mean(0)
        spread = course.values.std(0, ddof=1) if len(course.values) > 1 else 0 * mean
        marker = "o" if len(x) == 1 else None  # a line of one point is nothing
        axes = of_panel[course.panel]
        (shown[course.row],) = axes.plot(x, mean, marker=marker, color=color, linestyle=line, linewidth=1.1)
        axes.fill_between(x, mean - spread, mean + spread, color=color, alpha=0.15, linewidth=0)
    for panel, axes in of_panel.items():
        axes.set_title(panel.removeprefix("network."), fontsize=8)
        axes.tick_params(labelsize=7)
    for axes in places[len(panels) :]:
        axes.set_axis_off()
    figure.legend(shown.values(), shown, frameon=False, fontsize=8, loc="outside lower center", ncols=4)
    lines = [
        [course.panel, course.row, seed, step, f"{value:.7g}"]  # float32 has no more
        for course in courses
        for seed, run in enumerate(course.values)
        for step, value in zip(course.steps, run, strict=True)
    ]
    write_csv(out / f"{name}.csv", [header[0], "method", "seed", "step", header[1]], lines)
    write_figure(out / f"{name}.png", figure)
    seeds = len(courses[0].values)
    how = "Mean and standard deviation over seeds" if seeds > 1 else "One seed"
    over = ", over updates of the generator." if n_dis else "."
    write_text(out / f"{name}.md", f"# {table.title}\n\n{caption} {how}{over}\n\n![]({name}.png)\n")
    return out / f"{name}.png"
