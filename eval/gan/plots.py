"""The plots of a page of generators."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from sphereface_plus.plot_style import FAINT

from ..plots import MODELS, as_svg, framed_figure, interval_plot, plain

LOSSES = {"discriminator_loss": "discriminator", "generator_loss": "generator"}
SCORES = {"score_of_real": "real images", "score_of_fake": "generated images"}


def of_training(name: str, label: str, training: Mapping[str, Any]) -> list[tuple[str, str]]:
    """(caption, plot), each; those that its log or its checkpoints have no numbers for are left out."""
    losses, values = training["losses"], training["singular_values"]
    of_discriminator, of_scores = (
        {words: losses[key] for key, words in names.items() if key in losses} for names in (LOSSES, SCORES)
    )
    largest = {
        layer: {"step": values["step"], "value": numbers} for layer, numbers in values["largest"].items()
    }
    over = f"over the training of {label}"
    made = [
        ("Both losses.", curves(f"losses{name}", of_discriminator, "loss", f"Losses {over}")),
        (
            "Mean scores that the discriminator gives.",
            curves(f"scores{name}", of_scores, "mean score", f"Mean scores {over}"),
        ),
        (
            "Half-space energy (s = 2) of the discriminator's layers; directions that are drawn at random in "
            "many dimensions have 0.5.",
            curves(f"energies{name}", training["energies"], "half-space energy", f"Energies by layer {over}"),
        ),
        (
            "Largest singular value of each layer's weights before any normalisation, at the checkpoints.",
            curves(f"largest{name}", largest, "largest singular value", f"Largest singular values {over}"),
        ),
        (
            "All singular values at the step that is measured. A line that falls early is of a layer that "
            "uses few directions.",
            spectrum(f"spectrum{name}", values["last"], f"Singular values by layer of {label}"),
        ),
    ]
    return [(caption, svg) for caption, svg in made if svg is not None]


def curves(
    name: str, lines: Mapping[str, Mapping[str, Sequence[float]]], what: str, description: str
) -> str | None:
    """One line a label, {"step", "value"}, over the steps of a training; None where there is no line."""
    if not lines:
        return None
    figure, axes = framed_figure()
    for number, (label, line) in enumerate(lines.items()):
        marker = "o" if len(line["step"]) < 12 else None
        axes.plot(line["step"], line["value"], marker=marker, markersize=3.5, **_style(number, label))
    axes.set_xlabel("step")
    axes.set_ylabel(what)
    axes.grid(True, color=FAINT, linewidth=0.6)
    _legend(axes)
    return as_svg(figure, name, description)


def spectrum(name: str, of_layer: Mapping[str, Sequence[float]], description: str) -> str | None:
    """Each layer's singular values, as shares of its largest one."""
    layers = {label: np.array(values) for label, values in of_layer.items() if len(values) > 1}
    if not layers:
        return None
    figure, axes = framed_figure()
    for number, (label, values) in enumerate(layers.items()):
        places = np.arange(len(values)) / (len(values) - 1)
        axes.plot(places, values / max(values[0], 1e-30), **_style(number, label))
    axes.set_xlabel("singular values of a layer, largest first, as a share of their number")
    axes.set_ylabel("share of the layer's largest")
    axes.set_ylim(0, 1.02)
    axes.grid(True, color=FAINT, linewidth=0.6)
    _legend(axes)
    return as_svg(figure, name, description)


def of_runs(name: str, rows: Sequence[tuple[str, dict[str, Any]]], label: str) -> str | None:
    """A score of each run with its interval."""
    known = [
        (words, score["value"], tuple(score["interval"]))
        for words, score in rows
        if score is not None and score["interval"] is not None
    ]
    return interval_plot(name, known, label, f"{label} of {len(known)} runs") if len(known) > 1 else None


def _style(number: int, label: str) -> dict[str, Any]:
    return {"color": MODELS[number % len(MODELS)], "linewidth": 1.5, "label": plain(label)}


def _legend(axes: Any) -> None:
    axes.legend(frameon=False, loc="lower center", bbox_to_anchor=(0.5, 1), ncols=3, fontsize=8.5)
