"""MTCNN face detection (Zhang et al. 2016, https://arxiv.org/abs/1604.02878), on facenet-pytorch's weights.

Three networks, each looking closer than the one before: P-Net slides over a pyramid of the photo and proposes
boxes, R-Net (24 x 24) and O-Net (48 x 48) look at each and reject or refine it, O-Net gives the landmarks.

Boxes and scores are those of `facenet_pytorch.MTCNN.detect`, version 2.5.3, found more than twice as fast
(measured by tests/benchmarks/bench_mtcnn.py): one summed-area table does all the resizing (area_means.py),
P-Net sees the pyramid on sheets (pyramid.py), and the networks run in channels_last (mtcnn_networks.py).
facenet-pytorch in turn differs from the authors' Matlab code, which SphereFace used: levels and crops are
area means instead of bilinear samples, crops are cut at the photo's border instead of padded with black,
boxes are not truncated between the networks, overlaps count no extra pixel except in the last suppression,
and landmarks are not averaged with those of the mirrored crop.

The landmarks are placed where O-Net saw them. facenet-pytorch places them as if the crop had not been
truncated to whole pixels and cut at the photo's border: 1 pixel too far right and down in the median over LFW
(measured by mirroring and by enlarging the photos), and up to 50 pixels off where a face touches the border.

A photo is processed alone, whatever else is in the call: its faces are the same bit for bit in any batch, as
long as torch's number of threads is the same (with another one, sums are added in another order).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
import torch

from .area_means import AreaTable
from .detection import Faces
from .errors import PrepError
from .mtcnn_networks import Layer, load_networks
from .pyramid import CELL, STRIDE, Tile, laid_out, sheet_of

RNET_CROPS, ONET_CROPS = 32, 8  # at once: what the networks make of them stays in the processor's cache


class MTCNN:
    """The detector, with SphereFace's settings as default.

    min_face: side in pixels of the smallest face that is looked for
    factor: size of a pyramid level as a share of the one before
    thresholds: scores that a box must have from P-Net, R-Net and O-Net

    `settings` is the record of what determines the faces. Raises PrepError for settings out of range.
    """

    def __init__(
        self,
        min_face: float = 20,
        factor: float = 0.85,
        thresholds: tuple[float, float, float] = (0.6, 0.7, 0.9),
    ) -> None:
        if not min_face >= 1:
            raise PrepError(f"min_face must be at least 1 pixel, got {min_face}")
        if not 0 < factor <= 0.99:  # with 0.999999 a photo has a million sizes
            raise PrepError(f"factor must be above 0 and at most 0.99, got {factor}")
        if len(thresholds) != 3 or not all(0 < threshold < 1 for threshold in thresholds):
            raise PrepError(f"thresholds must be three numbers between 0 and 1, got {list(thresholds)}")
        self._min_face, self._factor, self._thresholds = min_face, factor, thresholds
        self._networks = load_networks()
        self.settings: dict[str, Any] = {
            "detector": "mtcnn",
            "min_face": min_face,
            "factor": factor,
            "thresholds": list(thresholds),
            "weights_sha256": self._networks.sha256,
        }

    @torch.inference_mode()
    def detect(self, photos: Sequence[np.ndarray]) -> list[Faces]:
        """The faces of each photo, best first; photos are uint8 (H, W, 3) RGB and may differ in size."""
        return [self._detect(photo) for photo in photos]

    def _detect(self, photo: np.ndarray) -> Faces:
        table, (_, rnet, onet, _) = AreaTable(photo), self._networks
        boxes = self._proposed(table)

        boxes, _, score, outputs = _passed(rnet, self._thresholds[1], table, boxes, 24, RNET_CROPS)
        best = _suppressed(boxes, score, 0.7)
        boxes = _square(_refined(boxes[best], outputs[best, 2:6], 1))

        boxes, cut, score, outputs = _passed(onet, self._thresholds[2], table, boxes, 48, ONET_CROPS)
        boxes = _refined(boxes, outputs[:, 2:6], 1)
        best = _suppressed_within(boxes, score, 0.7)
        boxes, cut, score, outputs = _only(best, boxes, cut, score, outputs)
        landmarks = _landmarks(cut, outputs[:, 6:])
        return Faces(boxes.astype(np.float64), score.astype(np.float64), landmarks)

    def _proposed(self, table: AreaTable) -> np.ndarray:
        """P-Net's boxes from all levels of the pyramid, refined and made square: (N, 4)."""
        scales = []
        scale = CELL / self._min_face
        shorter_side = min(table.height, table.width) * scale
        while shorter_side >= CELL:
            scales.append(scale)
            scale, shorter_side = scale * self._factor, shorter_side * self._factor
        if not scales:  # the photo is smaller than the smallest face
            return np.zeros((0, 4), np.float32)
        sizes = tuple((int(table.height * scale + 1), int(table.width * scale + 1)) for scale in scales)
        sheets = [self._cells(table, sizes, tiles) for tiles in laid_out(sizes)]
        level, row, column, outputs = map(np.concatenate, zip(*sheets, strict=True))
        in_order = np.lexsort((column, row, level))  # equal scores are taken in this order
        level, row, column, outputs = _only(in_order, level, row, column, outputs)
        corner = STRIDE * np.stack([column, row], axis=1).astype(np.float32)
        boxes = np.hstack([corner + 1, corner + CELL]) / np.array(scales, np.float32)[level, None]
        boxes, score, refinement = np.floor(boxes), _scores(outputs), outputs[:, 2:]
        best = np.concatenate(
            [_suppressed_among(level == number, boxes, score) for number in range(len(scales))]
        )
        boxes, score, refinement = _only(best, boxes, score, refinement)
        best = _suppressed(boxes, score, 0.7)
        return _square(_refined(boxes[best], refinement[best], 0))

    def _cells(
        self, table: AreaTable, sizes: Sequence[tuple[int, int]], tiles: list[Tile]
    ) -> tuple[np.ndarray, ...]:
        """P-Net's cells above the threshold on a sheet: their levels, rows and columns there (N,), outputs
        (N, 6)."""
        sheet = sheet_of(tiles)
        pixels = np.zeros((1, sheet.height, sheet.width, 3), np.float32)
        for tile in tiles:
            rows, columns = slice(tile.top, tile.top + tile.height), slice(tile.left, tile.left + tile.width)
            place = pixels[0, tile.y : tile.y + tile.height, tile.x : tile.x + tile.width]
            place[:] = table.resized(*sizes[tile.level], rows, columns)
        cells = self._networks.pnet(_channels_first(pixels), sheet.edges).numpy()  # (6, rows, columns)
        least_margin = math.log(self._thresholds[0] / (1 - self._thresholds[0]))  # the threshold in logits
        row, column = np.nonzero((cells[1] - cells[0] >= least_margin) & (sheet.owners >= 0))
        level, top, left, _, _, y, x = np.array(tiles)[sheet.owners[row, column]].T
        return level, row + (top - y) // STRIDE, column + (left - x) // STRIDE, cells[:, row, column].T


def _passed(
    network: Layer, threshold: float, table: AreaTable, boxes: np.ndarray, side: int, at_once: int
) -> tuple[np.ndarray, ...]:
    """What R-Net or O-Net passes of boxes (N, 4): boxes, the cuts that it saw, scores, all its outputs."""
    # Boxes count pixels from 1 and include the last one; cuts count from 0 and do not.
    cut = boxes.astype(np.int64)  # truncates
    cut[:, :2] = np.maximum(cut[:, :2] - 1, 0)
    cut[:, 2:] = np.minimum(cut[:, 2:], [table.width, table.height])
    boxes, cut = _only(np.all(cut[:, 2:] > cut[:, :2], axis=1), boxes, cut)
    batches = [cut[i : i + at_once] for i in range(0, len(cut), at_once)] or [cut]
    crops = (_channels_first(table.crops(batch, side)) for batch in batches)
    outputs = np.concatenate([network(each).numpy() for each in crops])
    score = _scores(outputs)
    return _only(score > threshold, boxes, cut, score, outputs)


def _channels_first(pixels: np.ndarray) -> torch.Tensor:
    """(K, h, w, 3) as (K, 3, h, w), in memory as it was."""
    return torch.from_numpy(pixels).permute(0, 3, 1, 2)


def _scores(outputs: np.ndarray) -> np.ndarray:
    """The probability of a face (N,), from the logits that are the first two outputs."""
    return torch.from_numpy(outputs[:, :2]).softmax(dim=1)[:, 1].numpy()


def _refined(boxes: np.ndarray, refinement: np.ndarray, extra: int) -> np.ndarray:
    """Corners moved by shares of right - left + extra and bottom - top + extra; extra is 0 after P-Net."""
    size = boxes[:, 2:] - boxes[:, :2] + np.float32(extra)
    return boxes + refinement * np.tile(size, 2)


def _square(boxes: np.ndarray) -> np.ndarray:
    size = boxes[:, 2:] - boxes[:, :2]
    side = size.max(axis=1, keepdims=True)
    corner = boxes[:, :2] + size * np.float32(0.5) - side * np.float32(0.5)
    return np.hstack([corner, corner + side])


def _suppressed(boxes: np.ndarray, score: np.ndarray, threshold: float) -> np.ndarray:
    """Indices, best first, of boxes that share at most this part of their union with a better one."""
    # OpenCV's, as torchvision's would cost each worker process five seconds of import. Any: it takes arrays,
    # but its stubs say lists.
    corner_and_size: Any = np.hstack([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]])
    scores: Any = score
    return np.array(cv2.dnn.NMSBoxes(corner_and_size, scores, 0, threshold), dtype=np.int64)


def _suppressed_among(which: np.ndarray, boxes: np.ndarray, score: np.ndarray) -> np.ndarray:
    """Of the boxes that a mask chooses, the indices of those that are left, best first."""
    (indices,) = np.nonzero(which)
    return indices[_suppressed(boxes[indices], score[indices], 0.5)]


def _suppressed_within(boxes: np.ndarray, score: np.ndarray, threshold: float) -> np.ndarray:
    """The same with the overlap as a share of the smaller box, which also removes a box inside another."""
    area = (boxes[:, 2:] - boxes[:, :2] + 1).prod(axis=1)
    # In float32 several good boxes often have the same score, such as 1. Which one wins hangs on argsort's
    # order of equals: it takes facenet-pytorch's very call to choose the same.
    order = np.argsort(score)[::-1]
    best = []
    while len(order):
        first, order = order[0], order[1:]
        best.append(first)
        low = np.maximum(boxes[first, :2], boxes[order, :2])
        high = np.minimum(boxes[first, 2:], boxes[order, 2:])
        shared = np.maximum(high - low + 1, 0).prod(axis=1)
        order = order[shared / np.minimum(area[first], area[order]) <= threshold]
    return np.array(best, dtype=np.int64)


def _landmarks(cut: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """O-Net's five x and five y (N, 10), shares of what it saw, as landmarks (N, 5, 2) in photo pixels.

    A share counts from the cut's edge, which lies half a pixel before the centre of its first pixel.
    """
    size = (cut[:, 2:] - cut[:, :2])[:, None]
    return cut[:, None, :2] + size * shares.reshape(-1, 2, 5).swapaxes(1, 2).astype(np.float64) - 0.5


def _only(which: np.ndarray, *arrays: np.ndarray) -> tuple[np.ndarray, ...]:
    """Each array's rows that a mask or indices choose."""
    return tuple(array[which] for array in arrays)
