"""A warp whose pixels depend on no version of OpenCV and on no kind of CPU: bilinear, in float64.

OpenCV's own: up to 4.14, `warpAffine` and `remap` round positions to 1/32 pixel; 5.0 computes in float32,
which rounds in another way with and without fused multiply-add. Here each step is one IEEE operation on whole
arrays.
"""

from __future__ import annotations

import cv2
import numpy as np


def exact_warp(photo: np.ndarray, matrix: np.ndarray, height: int, width: int) -> np.ndarray:
    """The crop uint8 (height, width, 3): photo uint8 (H, W, 3) seen through matrix (2, 3), black outside.

    Each value is the float64 interpolation of the four pixels around, rounded to the nearest integer.
    """
    (a, b, c), (d, e, f) = matrix.tolist()
    determinant = a * e - b * d
    u, v = np.arange(width) - c, np.arange(height)[:, None] - f
    x, y = (e * u - b * v) / determinant, (a * v - d * u) / determinant  # (height, width), photo pixels
    left, top = np.floor(x), np.floor(y)
    across, down = (x - left).ravel(), (y - top).ravel()
    # Pixels beside the photo are black: those at -1 and at its size stand for all that lie further away.
    columns = [np.clip(at, -1, photo.shape[1]).astype(np.intp) for at in (left, left + 1)]
    rows = [np.clip(at, -1, photo.shape[0]).astype(np.intp) for at in (top, top + 1)]
    begin = rows[0].min(), columns[0].min()
    pixels = _part(photo, begin, (rows[1].max() + 1, columns[1].max() + 1))
    (upper, lower), (near, far) = [row - begin[0] for row in rows], [column - begin[1] for column in columns]

    def at(row: np.ndarray, column: np.ndarray) -> np.ndarray:  # float64 (4, height width)
        found = pixels.ravel().take(row.ravel() * pixels.shape[1] + column.ravel())
        return found.view(np.uint8).reshape(-1, 4).T.astype(np.float64, order="C")

    above, below = at(upper, near), at(lower, near)
    above += (at(upper, far) - above) * across
    below += (at(lower, far) - below) * across
    above += (below - above) * down
    crop = np.rint(above[:3], out=above[:3]).astype(np.uint8)
    return np.ascontiguousarray(crop.T).reshape(height, width, 3)


def _part(photo: np.ndarray, begin: tuple[int, int], end: tuple[int, int]) -> np.ndarray:
    """Rows and columns from begin to end, black beside the photo: uint32 (rows, columns), a pixel each."""
    height, width = photo.shape[:2]
    (top, left), (bottom, right) = begin, end
    inside = photo[max(top, 0) : min(bottom, height), max(left, 0) : min(right, width)]
    part = np.zeros((bottom - top, right - left, 4), np.uint8)
    if inside.size:
        row, column = max(-top, 0), max(-left, 0)
        place = part[row : row + inside.shape[0], column : column + inside.shape[1]]
        place[...] = cv2.cvtColor(np.ascontiguousarray(inside), cv2.COLOR_RGB2RGBA)
    return part.view(np.uint32)[:, :, 0]
