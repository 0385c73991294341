"""Figures 9 and 10: identification by the number of distractors, and ROC, of several models in one plot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from sphereface_plus.files import write_figure
from sphereface_plus.plot_style import FAINT, new_figure, open_frame

from ..megaface.sets import num_searched
from ..plots import MODELS


class Drawn(NamedTuple):
    """A model of a table that was measured."""

    label: str
    row: int
    """Its place in the table, from 0, whether the models before it were measured or not."""
    column: int
    results: Mapping[str, Any]
    """Those of a report of `eval megaface`."""


def rank_by_distractors(models: Sequence[Drawn], out: Path) -> list[Path]:
    """Rank-1 and rank-10 against the number of distractors that are there, in one file; raw, and cleaned
    below."""
    kinds = _kinds(models)
    figure = new_figure(10.5, 4.2 * len(kinds))
    for kind, row in zip(kinds, figure.subplots(len(kinds), 2, squeeze=False), strict=True):
        for rank, axes in zip((1, 10), row, strict=True):
            for model in models:
                sizes = model.results[kind]["sizes"] if kind in model.results else []
                rates = [next(r["rate"] for r in size["ranks"] if r["rank"] == rank) for size in sizes]
                axes.plot(
                    list(map(num_searched, sizes)),
                    [100 * rate for rate in rates],
                    label=model.label,
                    **_line(model),
                )
            _frame(axes, "distractors", f"rank-{rank} identification, %")
            axes.set_title(kind, fontsize=10)
    axes.legend(frameon=False, fontsize=8)
    write_figure(out / "rank_by_distractors.png", figure)
    return [out / "rank_by_distractors.png"]


def roc_by_distractors(models: Sequence[Drawn], out: Path) -> list[Path]:
    """The ROC of each number of distractors that the reports hold, side by side; raw, and cleaned below."""
    kinds = _kinds(models)
    count = min(len(numbers["verification"]) for model in models for numbers in model.results.values())
    figure = new_figure(5.2 * count, 4.2 * len(kinds))
    for kind, row in zip(kinds, figure.subplots(len(kinds), count, squeeze=False), strict=True):
        for part, axes in enumerate(row):
            there = []
            for model in models:
                if kind not in model.results:
                    continue
                verification = model.results[kind]["verification"][part - count]
                curve = verification["roc"]
                shown = [place for place, far in enumerate(curve["far"]) if far > 0]
                far, tar = ([curve[name][place] for place in shown] for name in ("far", "tar"))
                axes.plot(far, [100 * value for value in tar], label=model.label, **_line(model))
                there.append(verification["impostor"] // model.results[kind]["probes"])
            _frame(axes, "FAR", "TAR, %")
            axes.set_title(f"{kind}, {max(there):,} distractors", fontsize=10)
    axes.legend(frameon=False, fontsize=8)
    write_figure(out / "roc.png", figure)
    return [out / "roc.png"]


def _kinds(models: Sequence[Drawn]) -> list[str]:
    """Raw, and cleaned where any report has cleaned numbers."""
    return [kind for kind in ("raw", "cleaned") if any(kind in model.results for model in models)]


def _line(model: Drawn) -> dict[str, Any]:
    """Models side by side: a colour a row, dashes for the second model of a row."""
    return {
        "color": MODELS[model.row % len(MODELS)],
        "linestyle": "--" if model.column % 2 else "-",
        "linewidth": 1.6,
        "marker": "",
    }


def _frame(axes: Any, x: str, y: str) -> None:
    open_frame(axes)
    axes.set_xscale("log")
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.grid(True, color=FAINT, linewidth=0.6)
