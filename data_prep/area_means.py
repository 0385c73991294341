"""Means over rectangles of a photo, many at once: its pyramid, and crops of it at one size.

MTCNN as facenet-pytorch has it resizes by torch's adaptive average pooling, `interpolate(..., mode="area")`:
pixel i of n is the mean of the source pixels floor(i size / n) to ceil((i + 1) size / n) - 1. Pooling reads
the whole photo again for each level of the pyramid, and each crop is a call of its own. Here the photo is
summed once, into a table whose entry (y, x) is the sum over all pixels above and left of it, and then every
mean is four look-ups, or two for a level, whose rows are looked up together.
"""

from __future__ import annotations

import cv2
import numpy as np
import torch


class AreaTable:
    """The table of one photo uint8 (H, W, 3).

    Means come as float32 (..., 3): red, green, blue from 0 to 255. An entry has a fourth number, without
    meaning: with it, it has 16 bytes, which is one load.
    """

    def __init__(self, photo: np.ndarray) -> None:
        self.height, self.width = photo.shape[:2]
        # int32 wraps around where a photo has more than 8.4 million pixels. The differences are right all the
        # same, modulo 2^32, as long as no single rectangle is that large.
        table = cv2.integral(cv2.cvtColor(np.ascontiguousarray(photo), cv2.COLOR_RGB2RGBA), sdepth=cv2.CV_32S)
        self._sums = table.view(np.complex128)[..., 0]  # (H + 1, W + 1), each entry four int32

    def resized(self, height: int, width: int, rows: slice, columns: slice) -> np.ndarray:
        """Some rows and columns of the whole photo at height x width: (rows, columns, 3)."""
        top, bottom = (bins[0, rows] for bins in _bins(np.array([0]), np.array([self.height]), height))
        left, right = (bins[0, columns] for bins in _bins(np.array([0]), np.array([self.width]), width))
        # The rectangles of one row of the level share rows of the photo, which are summed first.
        seen = self._sums[:, left[0] : right[-1] + 1]
        strips = _difference(seen[bottom], seen[top])
        sums = _difference(strips.take(right - left[0], axis=1), strips.take(left - left[0], axis=1))
        return _means(sums, bottom - top, right - left)

    def crops(self, boxes: np.ndarray, side: int) -> np.ndarray:
        """Rectangles within the photo, each at side x side: (K, side, side, 3).

        boxes: integers (K, 4), left, top, right, bottom; right and bottom are exclusive.
        """
        left, top, right, bottom = boxes.T
        top, bottom = _bins(top, bottom, side)
        left, right = _bins(left, right, side)
        table = self._sums.ravel()

        def sums_before(y: np.ndarray, x: np.ndarray) -> np.ndarray:
            return table.take((y * (self.width + 1))[:, :, None] + x[:, None, :])

        below = _difference(sums_before(bottom, right), sums_before(bottom, left))
        above = _difference(sums_before(top, right), sums_before(top, left))
        return _means(_difference(below, above), bottom - top, right - left)


def _difference(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """a - b of entries, in the place of a."""
    numbers = a.view(np.int32)
    numbers -= b.view(np.int32)
    return a


def _means(sums: np.ndarray, heights: np.ndarray, widths: np.ndarray) -> np.ndarray:
    """Entries (..., n, m) over rectangles of heights (..., n) and widths (..., m): (..., n, m, 3)."""
    of_rows = torch.from_numpy((1 / heights).astype(np.float32)[..., :, None])
    of_columns = torch.from_numpy((1 / widths).astype(np.float32).repeat(4, axis=-1)[..., None, :])
    # torch and OpenCV take half of numpy's time here.
    means = (torch.from_numpy(sums.view(np.int32)) * of_rows).mul_(of_columns).numpy()
    if not means.size:
        return np.zeros((*sums.shape, 3), np.float32)
    return cv2.cvtColor(means.reshape(-1, sums.shape[-1], 4), cv2.COLOR_RGBA2RGB).reshape(*sums.shape, 3)


def _bins(start: np.ndarray, stop: np.ndarray, num_bins: int) -> tuple[np.ndarray, np.ndarray]:
    """Adaptive pooling's bins of K intervals [start, stop): their starts and stops, each (K, num_bins)."""
    start, size, i = start[:, None], (stop - start)[:, None], np.arange(num_bins)
    return start + i * size // num_bins, start - -(i + 1) * size // num_bins
