"""What all plots share: two colours of their lines, and a figure that needs no window system."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK, FAINT = "#30363d", "#d8dde2"
"""Of axes and of grids."""


def new_figure(width: float, height: float) -> Figure:
    """An empty figure, in inches."""
    from matplotlib.figure import Figure  # without pyplot: no window system, no state between plots

    return Figure(figsize=(width, height), layout="constrained")


def open_frame(axes: Axes) -> None:
    """Leaves the left and the lower edge of the frame only."""
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
