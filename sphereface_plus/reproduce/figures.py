"""Plots of a table's runs, each with its numbers as CSV and its caption as Markdown beside it."""

from __future__ import annotations

import re
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from PIL import Image

from sphereface_plus import checkpoint
from sphereface_plus.config import GanConfig, ImageConfig, from_dict
from sphereface_plus.data.image_sets import open_images
from sphereface_plus.data.images import DeviceImages, batches_in_order, normalise
from sphereface_plus.files import write_csv, write_figure, write_text
from sphereface_plus.networks import build_image_network
from sphereface_plus.plot_style import new_figure
from sphereface_plus.reproduce import courses
from sphereface_plus.reproduce.courses import COLORS, STYLES, Course
from sphereface_plus.reproduce.results import Cell
from sphereface_plus.reproduce.runs import failure_of
from sphereface_plus.reproduce.spec import Budget, Job, Table, TableConfig
from sphereface_plus.training.gan import SAMPLES
from sphereface_plus.training.gan_learner import HALF_RANGE
from sphereface_plus.training.gan_result import result_of
from sphereface_plus.training.samples import grid_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_POINTS = 600
"""Drawn of a class: more hide each other."""
NUMBER = re.compile(r"(.*?)[ =]*([0-9.e+-]+)$")


def draw(
    table: Table,
    budget: Budget,
    seeds: int,
    folders: dict[Job, Path],
    configs: dict[Job, TableConfig],
    cells: Sequence[Cell],
    measured: Sequence[Course],
    out: Path,
) -> list[Path]:
    """The plots that a table asks for, in `out`; returns their files. What failed is not in them.

    measured: scores through training, of tables that have them.
    """
    pictures = []
    if table.plot == "sweep" and any(cell.known for cell in cells):
        pictures.append(_sweep(table, cells, out))
    failed = {job for job, folder in folders.items() if failure_of(folder) is not None}
    first = {job.row: folders[job] for job in folders if job.seed == 0 and job not in failed}
    if table.plot == "features" and first:
        pictures += [_features(table, first, split, out) for split in ("train", "test")]
    if table.plot == "samples" and first:
        pictures.append(_samples(table, first, out))
    # Methods all of whose runs finished.
    rows = [row for row in budget.rows or table.rows if row not in {job.row for job in failed}]
    n_dis = courses.steps_of_updates(configs)
    if table.energies:
        for measure, caption in courses.OF_LAYERS.items():
            found = courses.of_layers(table, budget, seeds, folders, rows, measure)
            if found:
                name, header = f"{measure}_of_layers", ("layer", measure.removeprefix("half_space_"))
                pictures.append(courses.write(found, name, header, caption, table, out, n_dis))
    scores = [course for course in measured if course.row in rows]
    if scores:
        caption = "Scores of the checkpoints of the training, in the feature space that is named in brackets."
        pictures.append(courses.write(scores, "scores", ("score", "value"), caption, table, out, n_dis))
    return pictures


def _sweep(table: Table, cells: Sequence[Cell], out: Path) -> Path:
    """Error against the number at the end of a row's name, one line for each beginning of the names."""
    figure = new_figure(6.4, 4.0)
    axes = figure.subplots()
    baseline, *others = cells
    if baseline.known:
        mean = statistics.mean(baseline.known)
        axes.axhline(mean, color=COLORS[0], linestyle="--", label=f"{baseline.row}: {mean:.2f} %")
    rows: list[list[Any]] = [[baseline.row, "", seed, error] for seed, error in enumerate(baseline.numbers)]
    series: dict[str, list[tuple[float, Cell]]] = {}
    for cell in others:
        match = NUMBER.fullmatch(cell.row)
        assert match, f"{cell.row} ends in no number"
        series.setdefault(match[1], []).append((float(match[2]), cell))
    for (name, points), (color, line) in zip(series.items(), STYLES[1:], strict=False):
        points.sort(key=lambda point: point[0])
        shown = [(weight, cell.known) for weight, cell in points if cell.known]
        axes.errorbar(
            [weight for weight, _ in shown],
            [statistics.mean(errors) for _, errors in shown],
            [statistics.stdev(errors) if len(errors) > 1 else 0.0 for _, errors in shown],
            color=color,
            linestyle=line,
            marker="o",
            capsize=3,
            label=name,
        )
        rows += [[name, weight, seed, e] for weight, cell in points for seed, e in enumerate(cell.numbers)]
    axes.set_xscale("log")
    axes.set_xlabel("weight of the energy")
    axes.set_ylabel("test error %")
    axes.legend(frameon=False)
    caption = (
        "Test error after the last step against the weight of MHE; mean and standard deviation over seeds."
    )
    return _write(
        figure, "sweep", ["series", "weight", "seed", "test_error_percent"], rows, table, caption, out
    )


def _features(table: Table, folders: dict[str, Path], split: str, out: Path) -> Path:
    """Figures 4 and 8: the 2-D features of the whole, balanced set, and the directions of the classifier."""
    figure = new_figure(4.6 * len(folders) + 0.8, 4.6)
    rows, drawn = [], []
    panels = figure.subplots(1, len(folders), squeeze=False)[0]
    for (row, folder), axes in zip(folders.items(), panels, strict=True):
        features, labels, prototypes = features_of(folder, split)
        for label in range(int(labels.max()) + 1):
            points = features[labels == label]
            shown = points[np.linspace(0, len(points) - 1, min(len(points), MOST_POINTS)).astype(int)]
            axes.scatter(*shown.T, s=1.5, color=f"C{label}", label=str(label), linewidths=0)
            drawn += [[row, label, *(f"{number:.5g}" for number in point)] for point in shown]
            mean = points.mean(0)
            rows.append([row, label, len(points), *mean, *points.std(0), *prototypes[label]])
        reach = float(np.abs(features).max())
        for label, neuron in enumerate(prototypes / np.linalg.norm(prototypes, axis=1, keepdims=True)):
            end = 0.55 * reach * neuron
            arrow = {"arrowstyle": "->", "color": "#c23b3b"}
            axes.annotate("", end, (0, 0), arrowprops=arrow, annotation_clip=False)
            axes.text(*(1.12 * end), str(label), ha="center", va="center", color="#c23b3b")
            axes.update_datalim([1.2 * end])  # neither arrow nor text widens the axes
        axes.autoscale_view()
        axes.set_title(row, fontsize=10)
        axes.set_aspect("equal")
    handles, names = panels[0].get_legend_handles_labels()
    figure.legend(handles, names, title="digit", loc="outside right center", markerscale=6, frameon=False)
    name = f"features_{split}"
    write_csv(out / f"{name}_points.csv", ["method", "class", "x", "y"], drawn)
    caption = (
        f"2-D features of the {split} set before any imbalance, a color for each class; red: the directions "
        f"of the classifier's neurons. Of each class at most {MOST_POINTS} images are drawn, evenly spaced "
        f"in the set's order: {name}_points.csv; means and deviations in {name}.csv are over all. Seed 0, "
        "after the last step."
    )
    header = ["method", "class", "images", "mean_x", "mean_y", "sd_x", "sd_y", "neuron_x", "neuron_y"]
    return _write(figure, name, header, rows, table, caption, out)


def _samples(table: Table, folders: dict[str, Path], out: Path) -> Path:
    """Figure 7: images of each generator, which its run has written with its last checkpoint, beside real
    ones."""
    config = from_dict(checkpoint.load(next(iter(folders.values())))["config"])
    assert isinstance(config, GanConfig)
    real = open_images(config.data.name, config.data.path, "train").images  # (N, H, W, C)
    chosen = real[
        torch.linspace(0, len(real) - 1, min(len(real), SAMPLES)).long()
    ]  # a folder's classes in turn
    grids = {"Dataset": grid_of(normalise(chosen, HALF_RANGE, HALF_RANGE), columns=8)}
    for row, folder in folders.items():
        grids[row] = np.asarray(Image.open(result_of(folder).samples))
    figure = new_figure(3.4 * len(grids), 3.7)
    for (name, grid), axes in zip(
        grids.items(), figure.subplots(1, len(grids), squeeze=False)[0], strict=True
    ):
        axes.imshow(grid, interpolation="nearest")
        axes.set_title(name, fontsize=10)
        axes.set_axis_off()
    steps = f"{config.train.steps:,} steps"
    caption = f"Real images, and images of each generator of seed 0 after {steps}, none chosen."
    write_figure(out / "samples.png", figure)
    write_text(out / "samples.md", f"# {table.title}\n\n{caption}\n\n![](samples.png)\n")
    return out / "samples.png"


@torch.inference_mode()
def features_of(folder: Path, split: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Features (N, D) of the whole split, labels (N,), and the classifier's neurons (C, D), of a run."""
    payload = checkpoint.load(folder)
    config = from_dict(payload["config"], origin=str(folder))
    assert isinstance(config, ImageConfig)
    network = build_image_network(config.network, in_channels=config.data.channels)
    network.load_state_dict(payload["network"])
    network.eval()
    images: DeviceImages = open_images(config.data.name, config.data.path, split)
    features = [network(normalise(batch)) for batch, _ in batches_in_order(images, 500)]
    return torch.cat(features).numpy(), images.labels.numpy(), payload["loss"]["prototypes"].numpy()


def _write(
    figure: Figure, name: str, header: list[str], rows: list[list[Any]], table: Table, caption: str, out: Path
) -> Path:
    write_csv(out / f"{name}.csv", header, rows)
    write_figure(out / f"{name}.png", figure)
    write_text(out / f"{name}.md", f"# {table.title}\n\n{caption}\n\n![]({name}.png)\n")
    return out / f"{name}.png"
