"""Means over rectangles of a photo, many at once: its pyramid, and crops of it at one size.

MTCNN as facenet-pytorch has it resizes by torch's adaptive average pooling, `interpolate(..., mode="area")`:
pixel i of n is the mean of the source pixels floor(i size / n) to ceil((i + 1) size / n) - 1. Pooling reads
the whole photo again for each level of the pyramid, and each crop is a call of its own. Here the photo is
summed once, into a table whose entry (y, x) is the sum over all pixels above and left of it, and then every
mean is four look-ups.
"""

from __future__ import annotations

import cv2
import numpy as np


class AreaTable:
    """The table of one photo uint8 (H, W, 3).

    Means come as float32 (..., 4): red, green, blue from 0 to 255, and a fourth channel without meaning. With
    it an entry has 16 bytes, which is one load, and the means go into a convolution without being copied.
    """

    def __init__(self, photo: np.ndarray) -> None:
        self.height, self.width = photo.shape[:2]
        # int32 wraps around where a photo has more than 8.4 million pixels. The differences are right all the
        # same, modulo 2^32, as long as no single rectangle is that large.
        table = cv2.integral(cv2.cvtColor(np.ascontiguousarray(photo), cv2.COLOR_RGB2RGBA), sdepth=cv2.CV_32S)
        self._entries = table.view(np.complex128).ravel()  # ((H + 1) (W + 1),), each four int32

    def resized(self, height: int, width: int, rows: slice) -> np.ndarray:
        """Some rows of the whole photo at height x width: (1, len(rows), width, 4)."""
        top, bottom = _bins(np.array([0]), np.array([self.height]), height)
        left, right = _bins(np.array([0]), np.array([self.width]), width)
        return self._means(top[:, rows], bottom[:, rows], left, right)

    def crops(self, boxes: np.ndarray, side: int) -> np.ndarray:
        """Rectangles within the photo, each at side x side: (K, side, side, 4).

        boxes: integers (K, 4), left, top, right, bottom; right and bottom are exclusive.
        """
        left, top, right, bottom = boxes.T
        return self._means(*_bins(top, bottom, side), *_bins(left, right, side))

    def _means(self, top: np.ndarray, bottom: np.ndarray, left: np.ndarray, right: np.ndarray) -> np.ndarray:
        """Means over K grids of rectangles, top and bottom (K, n), left and right (K, m): (K, n, m, 4)."""

        def sums_before(y: np.ndarray, x: np.ndarray) -> np.ndarray:  # (K, n, 4 m)
            return self._entries.take((y * (self.width + 1))[:, :, None] + x[:, None, :]).view(np.int32)

        sums = sums_before(bottom, right)
        sums -= sums_before(bottom, left)
        sums -= sums_before(top, right)
        sums += sums_before(top, left)
        means = sums.astype(np.float32)
        shares = (1 / (bottom - top))[:, :, None] * (1 / (right - left)).repeat(4, axis=1)[:, None, :]
        means *= shares.astype(np.float32)
        return means.reshape(*top.shape, left.shape[1], 4)


def _bins(start: np.ndarray, stop: np.ndarray, num_bins: int) -> tuple[np.ndarray, np.ndarray]:
    """Adaptive pooling's bins of K intervals [start, stop): their starts and stops, each (K, num_bins)."""
    start, size, i = start[:, None], (stop - start)[:, None], np.arange(num_bins)
    return start + i * size // num_bins, start - -(i + 1) * size // num_bins
