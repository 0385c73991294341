"""ImageNet as a run is trained on it; apart from the other sets, as torchvision is slow to import."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from torch import Tensor

from sphereface_plus.config import ImageConfig
from sphereface_plus.data.batches import BatchSampler
from sphereface_plus.data.imagenet import ImageNet
from sphereface_plus.training.sets import read_batches


class Photographs(ImageNet):
    """ImageNet's training photographs; run_parts.TrainingSet says what a run wants of them."""

    left_out: str = ""
    notes: Sequence[str] = ()

    def __init__(self, config: ImageConfig, *, pin_memory: bool) -> None:
        super().__init__(Path(config.data.path) / "train", training=True, seed=config.seed)
        self.path, self.workers, self.pin_memory = config.data.path, config.data.workers, pin_memory

    def fingerprint(self) -> str:
        lines = (f"{path}\t{label}\n" for path, label in zip(self.paths, self.labels, strict=True))
        return hashlib.sha256("".join(lines).encode()).hexdigest()

    def content(self) -> str:
        return ""

    def describe(self, index: int) -> tuple[str, int]:
        return self.paths[index], self.labels[index]

    def batch(self, items: list[tuple[int, int]]) -> tuple[Tensor, Tensor]:
        return self.__getitems__(items)

    def batches(self, sampler: BatchSampler) -> Iterator[tuple[Tensor, Tensor]]:
        return read_batches(self, sampler, workers=self.workers, pin_memory=self.pin_memory)
