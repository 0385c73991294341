"""MTCNN face detection (Zhang et al. 2016, https://arxiv.org/abs/1604.02878) on facenet-pytorch's shipped weights."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from facenet_pytorch import ONet, PNet, RNet
from torch.nn.functional import adaptive_avg_pool2d
from torchvision.ops import nms

from .detection import NO_FACES, Faces


class MTCNN:
    """First working version: one photo at a time."""

    def __init__(
        self,
        min_face: float = 20,
        factor: float = 0.85,
        thresholds: tuple[float, float, float] = (0.6, 0.7, 0.9),
    ) -> None:
        self._min_face, self._factor, self._thresholds = min_face, factor, thresholds
        spec = find_spec("facenet_pytorch")
        folder = Path(spec.submodule_search_locations[0]) / "data"
        self._nets, hashes = [], {}
        for name, kind in (("pnet", PNet), ("rnet", RNet), ("onet", ONet)):
            file = folder / f"{name}.pt"
            hashes[name] = hashlib.sha256(file.read_bytes()).hexdigest()
            net = kind(pretrained=False)
            net.load_state_dict(torch.load(file, weights_only=True))
            self._nets.append(net.eval())
        self.settings: dict[str, Any] = {
            "detector": "mtcnn",
            "min_face": min_face,
            "factor": factor,
            "thresholds": list(thresholds),
            "weights_sha256": hashes,
        }

    def detect(self, photos: Sequence[np.ndarray]) -> list[Faces]:
        with torch.inference_mode():
            return [self._detect(photo) for photo in photos]

    def _detect(self, photo: np.ndarray) -> Faces:
        image = torch.from_numpy(photo).permute(2, 0, 1)[None].float()
        boxes = self._propose(image)
        if len(boxes) == 0:
            return NO_FACES
        boxes, crops = _crops(image, boxes, 24)
        reg, prob = self._nets[1](crops)
        keep = prob[:, 1] > self._thresholds[1]
        boxes, reg, score = boxes[keep], reg[keep], prob[keep, 1]
        pick = nms(boxes, score, 0.7)
        boxes = _square(_refine(boxes[pick], reg[pick], 1))
        if len(boxes) == 0:
            return NO_FACES
        boxes, crops = _crops(image, boxes, 48)
        reg, points, prob = self._nets[2](crops)
        keep = prob[:, 1] > self._thresholds[2]
        boxes, reg, points, score = boxes[keep], reg[keep], points[keep], prob[keep, 1]
        size = boxes[:, 2:] - boxes[:, :2] + 1
        points = points.view(-1, 2, 5).transpose(1, 2) * size[:, None] + boxes[:, None, :2] - 1
        boxes = _refine(boxes, reg, 1)
        boxes, score, points = boxes.double().numpy(), score.double().numpy(), points.double().numpy()
        pick = _nms_min(boxes, score, 0.7)
        return Faces(boxes[pick], score[pick], points[pick])

    def _propose(self, image: torch.Tensor) -> torch.Tensor:
        height, width = image.shape[2:]
        found, scale = [], 12 / self._min_face
        shortest = min(height, width) * scale
        while shortest >= 12:
            size = (int(height * scale + 1), int(width * scale + 1))
            level = (adaptive_avg_pool2d(image, size) - 127.5) / 128
            reg, prob = self._nets[0](level)
            where = prob[0, 1] >= self._thresholds[0]
            corner = where.nonzero().flip(1).float() * 2
            boxes = torch.cat([((corner + 1) / scale).floor(), ((corner + 12) / scale).floor()], dim=1)
            score, reg = prob[0, 1][where], reg[0][:, where].T
            pick = nms(boxes, score, 0.5)
            found.append((boxes[pick], score[pick], reg[pick]))
            scale, shortest = scale * self._factor, shortest * self._factor
        if not found:
            return torch.zeros(0, 4)
        boxes, score, reg = (torch.cat(parts) for parts in zip(*found, strict=True))
        pick = nms(boxes, score, 0.7)
        return _square(_refine(boxes[pick], reg[pick], 0))


def _refine(boxes: torch.Tensor, reg: torch.Tensor, extra: float) -> torch.Tensor:
    size = (boxes[:, 2:] - boxes[:, :2] + extra).repeat(1, 2)
    return boxes + reg * size


def _square(boxes: torch.Tensor) -> torch.Tensor:
    size = boxes[:, 2:] - boxes[:, :2]
    side = size.max(dim=1, keepdim=True).values
    corner = boxes[:, :2] + size * 0.5 - side * 0.5
    return torch.cat([corner, corner + side], dim=1)


def _crops(image: torch.Tensor, boxes: torch.Tensor, side: int) -> tuple[torch.Tensor, torch.Tensor]:
    height, width = image.shape[2:]
    cut = boxes.trunc().long()
    left, top = cut[:, 0].clamp(min=1) - 1, cut[:, 1].clamp(min=1) - 1
    right, bottom = cut[:, 2].clamp(max=width), cut[:, 3].clamp(max=height)
    keep = (right > left) & (bottom > top)
    crops = [
        adaptive_avg_pool2d(image[:, :, t:b, l:r], (side, side))
        for l, t, r, b in torch.stack([left, top, right, bottom], dim=1)[keep].tolist()
    ]
    return boxes[keep], (torch.cat(crops) - 127.5) / 128 if crops else torch.zeros(0, 3, side, side)


def _nms_min(boxes: np.ndarray, score: np.ndarray, threshold: float) -> list[int]:
    area = (boxes[:, 2] - boxes[:, 0] + 1) * (boxes[:, 3] - boxes[:, 1] + 1)
    order, pick = list(np.argsort(-score, kind="stable")), []
    while order:
        best, *rest = order
        pick.append(best)
        low, high = np.maximum(boxes[best, :2], boxes[rest, :2]), np.minimum(boxes[best, 2:], boxes[rest, 2:])
        overlap = np.maximum(0, high - low + 1).prod(axis=1) / np.minimum(area[best], area[rest])
        order = [i for i, o in zip(rest, overlap, strict=True) if o <= threshold]
    return pick
