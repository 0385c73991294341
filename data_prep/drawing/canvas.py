"""Painting in the head's frame: antialiased shapes on a turned head, and the curves that they are made of.

The head's frame: x to the viewer's right, y down, z towards the viewer; half the width of the face is 1 and
the origin is the head's centre. What is seen from in front at (x, y) lies on the head at z = depth(x, y).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import ArrayLike

SIZE = 192
"""Height and width of a drawn photo, pixels."""
_FINE = 2  # shapes are painted at twice the size and averaged down
_BITS = 4  # OpenCV's fixed-point coordinates: 1/16 of a fine pixel


class Canvas:
    """Pixels of a photo, and the way from the head's frame to them."""

    def __init__(
        self, backdrop: np.ndarray, turn: np.ndarray, scale: float, centre: tuple[float, float]
    ) -> None:
        """backdrop is uint8 (SIZE, SIZE, 3), turn (3, 3) rotates the head, scale is in pixels per unit."""
        self._fine = cv2.resize(backdrop, None, fx=_FINE, fy=_FINE, interpolation=cv2.INTER_LINEAR)
        self.turn, self.scale, self.centre = turn, scale, np.array(centre)
        self.head = np.zeros((SIZE, SIZE), np.uint8)
        """255 where the head is, hair and cap included: where its relief receives the light."""

    @property
    def pixels(self) -> np.ndarray:
        """float32 (SIZE, SIZE, 3) RGB, 0..255."""
        return cv2.resize(self._fine, (SIZE, SIZE), interpolation=cv2.INTER_AREA).astype(np.float32)

    def project(self, points: ArrayLike) -> np.ndarray:
        """Points (N, 3), or (N, 2) on the head -> (N, 2) pixels."""
        return project(points, self.turn, self.scale, self.centre)

    def fill(
        self, points: ArrayLike, colour: np.ndarray, opacity: float = 1.0, *, head: bool = False
    ) -> None:
        """Fills the shape with the corners points; `head` says that it is part of the head's relief."""
        corners = self._fixed(points)

        def paint(image: np.ndarray, offset: np.ndarray) -> None:
            cv2.fillPoly(image, [corners - offset], _ints(colour), cv2.LINE_AA, _BITS)

        self._paint(paint, corners, opacity, margin=2)
        if head:
            coarse = np.round(self.project(points) * 2**_BITS).astype(np.int32)
            cv2.fillPoly(self.head, [coarse], 255, cv2.LINE_AA, _BITS)

    def line(self, points: ArrayLike, colour: np.ndarray, width: float, opacity: float = 1.0) -> None:
        """Draws a line through points; width in units of the head."""
        corners = self._fixed(points)
        thickness = max(1, round(width * self.scale * _FINE))

        def paint(image: np.ndarray, offset: np.ndarray) -> None:
            cv2.polylines(image, [corners - offset], False, _ints(colour), thickness, cv2.LINE_AA, _BITS)

        self._paint(paint, corners, opacity, margin=thickness + 2)

    @contextmanager
    def only_inside(self, points: ArrayLike) -> Iterator[None]:
        """What is painted in the block shows only inside the shape with the corners points."""
        corners = self._fixed(points)
        before = self._fine.copy()
        yield
        painted, self._fine = self._part(corners, margin=2)[0], before
        part, offset = self._part(corners, margin=2)
        mask = np.zeros(part.shape[:2], np.uint8)
        cv2.fillPoly(mask, [corners - offset], 255, cv2.LINE_AA, _BITS)
        share = (mask.astype(np.float32) / 255)[..., None]
        part[:] = (painted * share + part * (1 - share) + 0.5).astype(np.uint8)

    def _fixed(self, points: ArrayLike) -> np.ndarray:
        fine = (self.project(points) + 0.5) * _FINE - 0.5  # pixel centres, not corners, carry the coordinates
        return np.round(fine * 2**_BITS).astype(np.int32)

    def _part(self, corners: np.ndarray, margin: int) -> tuple[np.ndarray, np.ndarray]:
        """The part of the fine pixels around corners, and its place in fixed-point coordinates."""
        low = np.clip((corners.min(axis=0) >> _BITS) - margin, 0, SIZE * _FINE)
        high = np.clip((corners.max(axis=0) >> _BITS) + margin + 1, low, SIZE * _FINE)
        return self._fine[low[1] : high[1], low[0] : high[0]], (low << _BITS).astype(np.int32)

    def _paint(
        self,
        paint: Callable[[np.ndarray, np.ndarray], None],
        corners: np.ndarray,
        opacity: float,
        margin: int,
    ) -> None:
        if opacity >= 1:
            paint(self._fine, np.zeros(2, np.int32))
            return
        part, offset = self._part(corners, margin)
        if part.size and opacity > 0:
            painted = part.copy()
            paint(painted, offset)
            part[:] = cv2.addWeighted(painted, opacity, part, 1 - opacity, 0)


def project(
    points: ArrayLike, turn: np.ndarray, scale: float, centre: np.ndarray | tuple[float, float]
) -> np.ndarray:
    """Points (N, 3), or (N, 2) on the head -> (N, 2) pixels (x, y), 0 being the middle of the first one; what
    is near is a little larger."""
    points = np.asarray(points, dtype=np.float64)
    if points.shape[1] == 2:
        points = on_head(points)
    turned = points @ turn.T
    return centre + scale * turned[:, :2] / (1 - 0.09 * turned[:, 2:])


def depth(x: ArrayLike, y: ArrayLike) -> np.ndarray:
    """z of the head's surface at (x, y)."""
    return np.sqrt(np.maximum(0.02, 1.02 - 0.82 * np.square(x) - np.square(np.asarray(y) / 1.75)))


def on_head(points: ArrayLike, lift: float = 0.0) -> np.ndarray:
    """Points (N, 2) seen from in front -> (N, 3) on the head, or `lift` above it."""
    points = np.asarray(points, dtype=np.float64)
    return np.column_stack([points, depth(points[:, 0], points[:, 1]) + lift])


def curve(points: ArrayLike, *, closed: bool = False, steps: int = 6) -> np.ndarray:
    """A smooth curve (Catmull-Rom) through points (N, d), with `steps` straight pieces between two."""
    points = np.asarray(points, dtype=np.float64)
    if closed:
        points = np.vstack([points[-1:], points, points[:2]])
    else:
        points = np.vstack([2 * points[0] - points[1], points, 2 * points[-1] - points[-2]])
    p0, p1, p2, p3 = (points[i : len(points) - 3 + i, None] for i in range(4))
    t = _steps(steps, 1.0)[None, :, None]
    pieces = p1 + t / 2 * (p2 - p0 + t * (2 * p0 - 5 * p1 + 4 * p2 - p3 + t * (3 * p1 - p0 - 3 * p2 + p3)))
    pieces = pieces.reshape(-1, points.shape[1])
    return pieces if closed else np.vstack([pieces, points[-2]])


def mirrored(half: ArrayLike) -> np.ndarray:
    """A smooth closed shape from its right half, whose first and last points lie on the axis x = 0."""
    half = np.asarray(half, dtype=np.float64)
    left = half[-2:0:-1].copy()
    left[:, 0] *= -1
    return curve(np.vstack([half, left]), closed=True)


def ellipse(x: float, y: float, width: float, height: float, corners: int = 20) -> np.ndarray:
    """Corners (N, 2) of an ellipse with the half axes width and height."""
    angle = _steps(corners, 2 * np.pi)
    return np.column_stack([x + width * np.cos(angle), y + height * np.sin(angle)])


@lru_cache(maxsize=64)
def _steps(count: int, end: float) -> np.ndarray:
    """count numbers from 0 to before the end. Kept, as a photo needs the same few a hundred times."""
    return np.linspace(0, end, count, endpoint=False)


def _ints(colour: np.ndarray) -> tuple[int, ...]:
    return tuple(min(max(round(value), 0), 255) for value in colour.tolist())  # numpy's clip takes 8 us
