"""Figures 9 and 10: identification by the number of distractors, and ROC, of several models in one plot."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sphereface_plus.files import write_figure
from sphereface_plus.plot_style import FAINT, new_figure, open_frame

from ..plots import MODELS

Results = Mapping[str, Mapping[str, Any]]
"""Label -> the results of a report of `eval megaface`."""


def rank_by_distractors(results: Results, out: Path) -> list[Path]:
    """Rank-1 and rank-10 against the number of distractors, in one file."""
    figure = new_figure(10.5, 4.2)
    for rank, axes in zip((1, 10), figure.subplots(1, 2), strict=True):
        for index, (label, of_model) in enumerate(results.items()):
            sizes = of_model["raw"]["sizes"]
            rates = [next(r["rate"] for r in size["ranks"] if r["rank"] == rank) for size in sizes]
            axes.plot(
                [size["size"] for size in sizes], [100 * rate for rate in rates], label=label, **_line(index)
            )
        _frame(axes, "distractors", f"rank-{rank} identification, %")
    axes.legend(frameon=False, fontsize=8)
    write_figure(out / "rank_by_distractors.png", figure)
    return [out / "rank_by_distractors.png"]


def roc_by_distractors(results: Results, out: Path) -> list[Path]:
    """The ROC of each number of distractors that the reports hold, side by side."""
    count = min(len(of_model["raw"]["verification"]) for of_model in results.values())
    figure = new_figure(5.2 * count, 4.2)
    for part, axes in enumerate(figure.subplots(1, count, squeeze=False)[0]):
        for index, (label, of_model) in enumerate(results.items()):
            verification = of_model["raw"]["verification"][part - count]
            curve = verification["roc"]
            shown = [place for place, far in enumerate(curve["far"]) if far > 0]
            far, tar = ([curve[name][place] for place in shown] for name in ("far", "tar"))
            axes.plot(far, [100 * value for value in tar], label=label, **_line(index))
        _frame(axes, "FAR", "TAR, %")
        axes.set_title(f"{verification['size']:,} distractors", fontsize=10)
    axes.legend(frameon=False, fontsize=8)
    write_figure(out / "roc.png", figure)
    return [out / "roc.png"]


def _line(index: int) -> dict[str, Any]:
    """Models side by side: a colour a row, dashes for the second model of a row."""
    return {
        "color": MODELS[(index // 2) % len(MODELS)],
        "linestyle": "-" if index % 2 else "--",
        "linewidth": 1.6,
        "marker": "",
    }


def _frame(axes: Any, x: str, y: str) -> None:
    open_frame(axes)
    axes.set_xscale("log")
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.grid(True, color=FAINT, linewidth=0.6)
