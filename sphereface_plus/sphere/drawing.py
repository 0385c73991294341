"""A sphere on a page: parallel projection, the far side hollow and pale, in matplotlib's plain axes."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from sphereface_plus.plot_style import FAINT, INK

if TYPE_CHECKING:
    from matplotlib.axes import Axes

RED, BLUE, GREEN, PINK = "#c23b3b", "#1f7a8c", "#2f9e44", "#e3a0a0"
FAR = 0.35
"""Opacity of lines on the far side."""


def view(towards: Tensor) -> Tensor:
    """(3,) -> (3, 3): rows are the directions to the right, up and to the eye, which is on that side."""
    eye = towards.double() / towards.norm()
    up = torch.tensor([0.0, 0.0, 1.0], dtype=torch.float64)
    up = up - (up @ eye) * eye
    up = up / up.norm()
    return torch.stack([torch.linalg.cross(up, eye), up, eye])


FRONT = torch.tensor([0.76, 0.53, 0.37], dtype=torch.float64)


class Sphere:
    """The unit sphere (n = 3) or circle (n = 2) on `axes`; what is drawn on it is given in n dimensions."""

    def __init__(self, axes: Axes, dimensions: int = 3, towards: Tensor = FRONT) -> None:
        self.axes, self.dimensions = axes, dimensions
        self.projection = view(towards) if dimensions == 3 else torch.eye(2, dtype=torch.float64)
        axes.set_aspect("equal")
        axes.set_axis_off()
        axes.set_xlim(-1.12, 1.12)
        axes.set_ylim(-1.12, 1.12)
        turn = torch.linspace(0, 2 * math.pi, 181, dtype=torch.float64)
        axes.plot(turn.cos(), turn.sin(), color=INK, linewidth=0.8)
        if dimensions == 3:
            for degrees in (-60, -30, 0, 30, 60):
                radius, height = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
                circle = [radius * turn.cos(), radius * turn.sin(), torch.full_like(turn, height)]
                self.line(torch.stack(circle, dim=1), color=FAINT, linewidth=0.6, zorder=0)
            for degrees in range(0, 180, 30):
                longitude = math.radians(degrees)
                circle = [turn.cos() * math.cos(longitude), turn.cos() * math.sin(longitude), turn.sin()]
                self.line(torch.stack(circle, dim=1), color=FAINT, linewidth=0.6, zorder=0)

    def _project(self, points: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(P, n) -> right (P,), up (P,), and whether it lies on the near side (P,)."""
        seen = points.double() @ self.projection.T
        near = seen[:, 2] >= 0 if self.dimensions == 3 else torch.ones(len(seen), dtype=torch.bool)
        return seen[:, 0], seen[:, 1], near

    def dots(self, points: Tensor, *, color: str, size: float = 34, **style: Any) -> None:
        """(P, n) points, each a dot, or on the far side a ring."""
        right, up, near = self._project(points)
        style = {"s": size, "edgecolors": color, "linewidths": 1, "zorder": 3, **style}
        for side, face in ((~near, "none"), (near, color)):
            if side.any():
                self.axes.scatter(right[side], up[side], facecolors=face, **style)

    def line(self, points: Tensor, *, color: str, **style: Any) -> None:
        """(P, n) points along a line, in order."""
        right, up, near = self._project(points)
        for side, alpha in ((~near, FAR), (near, 1.0)):
            gap = side if side.all() else side | side.roll(1) | side.roll(-1)  # up to the border, no break
            nan = torch.full_like(right, torch.nan)
            self.axes.plot(right.where(gap, nan), up.where(gap, nan), color=color, alpha=alpha, **style)

    def rays(self, points: Tensor, *, color: str, **style: Any) -> None:
        """Lines from the centre to (P, n) points."""
        right, up, near = self._project(points)
        for x, y, front in zip(right.tolist(), up.tolist(), near.tolist(), strict=True):
            self.axes.plot([0, x], [0, y], color=color, alpha=1.0 if front else FAR, **style)
