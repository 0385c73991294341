"""MTCNN face detection (Zhang et al. 2016, https://arxiv.org/abs/1604.02878), on facenet-pytorch's weights.

Three networks, each looking closer than the one before: P-Net slides over a pyramid of the photo and proposes boxes;
R-Net (24 x 24) and O-Net (48 x 48) look at each box, reject or refine it; O-Net gives the landmarks.

It finds what `facenet_pytorch.MTCNN.detect` finds, several times faster: resizing is done from one summed-area table
(area.py), and the networks run in channels_last (mtcnn_networks.py). The reference is facenet-pytorch 2.5.3. From the
authors' Matlab code, which SphereFace used, both differ: levels and crops are area means instead of bilinear samples,
crops are cut at the photo's border instead of padded with black, overlaps are computed without the extra pixel except
in the last suppression, and O-Net's landmarks are not averaged with those of the mirrored crop.

A photo is processed alone, whatever else is in the call, so its faces are the same bit for bit in any batch.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import nn
from torchvision.ops import nms

from .area import AreaTable
from .detection import Faces
from .mtcnn_networks import load_networks

CELL = 12  # pixels that a P-Net cell sees; the next one lies STRIDE further
STRIDE = 2
STRIP_PIXELS = 1 << 20  # P-Net looks at that much of a level at once, for the memory of very large photos
CROPS_AT_ONCE = 512  # and at that many crops, likewise


class MTCNN:
    """The detector with SphereFace's settings as default.

    min_face: side in pixels of the smallest face that is looked for
    factor: ratio of a pyramid level's size to that of the level before
    thresholds: what P-Net's, R-Net's and O-Net's scores must reach

    settings is the record of what determines the result. Raises ValueError for settings that make no pyramid.
    """

    def __init__(
        self,
        min_face: float = 20,
        factor: float = 0.85,
        thresholds: tuple[float, float, float] = (0.6, 0.7, 0.9),
    ) -> None:
        if not min_face >= 1:
            raise ValueError(f"min_face must be at least 1 pixel, got {min_face}")
        if not 0 < factor < 1:
            raise ValueError(f"factor must lie between 0 and 1, got {factor}")
        if len(thresholds) != 3 or not all(0 < threshold < 1 for threshold in thresholds):
            raise ValueError(f"thresholds must be three numbers between 0 and 1, got {list(thresholds)}")
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
        """The faces of each photo, most confident first; photos are uint8 (H, W, 3) RGB and may differ in size."""
        return [self._detect(photo) for photo in photos]

    def _detect(self, photo: np.ndarray) -> Faces:
        table = AreaTable(photo)
        boxes = self._proposed(table)

        boxes, score, refinement, _ = _looked_at(
            self._networks.rnet, self._thresholds[1], table, boxes, side=24
        )
        boxes, refinement = _only(_suppressed(boxes, score, 0.7), boxes, refinement)
        boxes = _square(_refined(boxes, refinement, 1))

        boxes, score, refinement, points = _looked_at(
            self._networks.onet, self._thresholds[2], table, boxes, side=48
        )
        # O-Net gives five x, then five y, as shares of the box. Boxes count pixels from 1, landmarks from 0.
        size = boxes[:, None, 2:] - boxes[:, None, :2] + 1
        landmarks = points.reshape(-1, 2, 5).swapaxes(1, 2) * size + boxes[:, None, :2] - 1
        boxes = _refined(boxes, refinement, 1)
        kept = _suppressed_within(boxes, score, 0.7)
        return Faces(*(x.astype(np.float64) for x in _only(kept, boxes, score, landmarks)))

    def _proposed(self, table: AreaTable) -> np.ndarray:
        """P-Net's boxes from all levels of the pyramid, refined and made square: (N, 4)."""
        levels = []
        scale = CELL / self._min_face
        shorter_side = min(table.height, table.width) * scale
        while shorter_side >= CELL:
            boxes, score, refinement = self._level(table, scale)
            levels.append(_only(_suppressed(boxes, score, 0.5), boxes, score, refinement))
            scale, shorter_side = scale * self._factor, shorter_side * self._factor
        if not levels:  # the photo is smaller than the smallest face
            return np.zeros((0, 4), np.float32)
        boxes, score, refinement = map(np.concatenate, zip(*levels, strict=True))
        boxes, refinement = _only(_suppressed(boxes, score, 0.7), boxes, refinement)
        return _square(_refined(boxes, refinement, 0))

    def _level(self, table: AreaTable, scale: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The cells of one level that P-Net passes: boxes (N, 4) in photo pixels, scores (N,), refinements (N, 4)."""
        height, width = int(table.height * scale + 1), int(table.width * scale + 1)
        num_rows = math.ceil((height - 2) / 2) - 4  # of cells: what three convolutions and the pooling leave
        rows_at_once = max(1, STRIP_PIXELS // (STRIDE * width))
        least_margin = math.log(self._thresholds[0] / (1 - self._thresholds[0]))
        strips = []
        for first in range(0, num_rows, rows_at_once):
            last = min(first + rows_at_once, num_rows) - 1
            level = table.resized(height, width, slice(STRIDE * first, STRIDE * last + CELL))
            cells = _applied(self._networks.pnet, level)  # (6, rows, columns)
            row, column = np.nonzero(cells[1] - cells[0] >= least_margin)
            cells = cells[:, row, column].T
            corner = STRIDE * np.stack([column, row + first], axis=1).astype(np.float32)
            boxes = np.floor(np.hstack([corner + 1, corner + CELL]) / np.float32(scale))
            strips.append((boxes, _probability(cells), cells[:, 2:]))
        boxes, score, refinement = map(np.concatenate, zip(*strips, strict=True))
        return boxes, score, refinement


def _looked_at(
    network: nn.Module, threshold: float, table: AreaTable, boxes: np.ndarray, side: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """The boxes (N, 4) that a network passes: boxes, scores, refinements, and what else it says of them."""
    cut = boxes.astype(np.int64)  # truncates; boxes count pixels from 1 and include the last
    cut[:, :2] = np.maximum(cut[:, :2] - 1, 0)
    cut[:, 2:] = np.minimum(cut[:, 2:], [table.width, table.height])
    boxes, cut = _only((cut[:, 2:] > cut[:, :2]).all(axis=1), boxes, cut)
    starts = range(0, max(len(cut), 1), CROPS_AT_ONCE)  # one batch at least, if only for the output's width
    outputs = np.concatenate(
        [_applied(network, table.crops(cut[i : i + CROPS_AT_ONCE], side)) for i in starts]
    )
    score = _probability(outputs)
    boxes, score, outputs = _only(score > threshold, boxes, score, outputs)
    return boxes, score, outputs[:, 2:6], outputs[:, 6:]


def _applied(network: nn.Module, pixels: np.ndarray) -> np.ndarray:
    return network(torch.from_numpy(pixels).permute(0, 3, 1, 2)).numpy()


def _probability(outputs: np.ndarray) -> np.ndarray:
    """The softmax of the first two outputs at the second, (N,). In float32, where many faces round to equal scores."""
    return 1 / (1 + np.exp(outputs[:, 0] - outputs[:, 1]))


def _refined(boxes: np.ndarray, refinement: np.ndarray, extra: int) -> np.ndarray:
    """Corners moved by shares of the size; P-Net's size is right - left, the others' has one extra pixel."""
    return boxes + refinement * np.tile(boxes[:, 2:] - boxes[:, :2] + np.float32(extra), 2)


def _square(boxes: np.ndarray) -> np.ndarray:
    size = boxes[:, 2:] - boxes[:, :2]
    side = size.max(axis=1, keepdims=True)
    corner = boxes[:, :2] + size * np.float32(0.5) - side * np.float32(0.5)
    return np.hstack([corner, corner + side])


def _suppressed(boxes: np.ndarray, score: np.ndarray, threshold: float) -> np.ndarray:
    """Indices of the boxes that overlap no better one by more than threshold of their union, best first."""
    return nms(torch.from_numpy(boxes), torch.from_numpy(score), threshold).numpy()


def _suppressed_within(boxes: np.ndarray, score: np.ndarray, threshold: float) -> np.ndarray:
    """The same with the share of the smaller box, which also removes a box within another."""
    area = (boxes[:, 2:] - boxes[:, :2] + 1).prod(axis=1)
    # Scores of several good boxes round to exactly 1. Which of them is the face then hangs on argsort's order of
    # equals, and it has to be the same call on the same float32 as facenet-pytorch's to choose the same.
    order = np.argsort(score)[::-1]
    kept = []
    while len(order):
        best, order = order[0], order[1:]
        kept.append(best)
        low, high = (
            np.maximum(boxes[best, :2], boxes[order, :2]),
            np.minimum(boxes[best, 2:], boxes[order, 2:]),
        )
        shared = np.maximum(high - low + 1, 0).prod(axis=1)
        order = order[shared / np.minimum(area[best], area[order]) <= threshold]
    return np.array(kept, dtype=np.int64)


def _only(which: np.ndarray, *arrays: np.ndarray) -> tuple[np.ndarray, ...]:
    """Each array reduced to the rows that a mask or indices choose."""
    return tuple(array[which] for array in arrays)
