"""What a run is trained on: crops of faces, small images on the device. ImageNet is in photographs.py."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from traceback import clear_frames
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sphereface_plus.config import FaceConfig
from sphereface_plus.data.batches import BatchSampler, loader
from sphereface_plus.data.crop_dataset import CropDataset
from sphereface_plus.data.crops import CropsError, SpecError, check_crops
from sphereface_plus.data.faces import FaceCrops
from sphereface_plus.data.formats.names import read_names
from sphereface_plus.data.images import (
    Augmentation,
    DeviceImages,
    ImagesError,
    augmented,
    training_batches,
)
from sphereface_plus.data.squares import Squares
from sphereface_plus.data.trained_on import TrainedOn
from sphereface_plus.words import counted

NAMED = 5
"""Identities that are left out and named; log and message would drown in more."""


class FaceSet(CropDataset):
    """Crops with their identities; run_parts.TrainingSet says what a run wants of it."""

    def __init__(self, config: FaceConfig, *, pin_memory: bool) -> None:
        data = config.data
        super().__init__(open_crops(config), seed=config.seed, flip=data.flip, shift=data.shift)
        self.path, self.workers, self.pin_memory = data.path, data.workers, pin_memory
        self.classes, self.left_out = self.crops.identities, left_out(self.crops)
        self.notes: Sequence[str] = self.crops.notes
        # Once each: they look at every file.
        self._fingerprint, self._content = self.crops.fingerprint(), self.crops.content()
        self.trained_on = TrainedOn(tuple(self.classes), np.unique(self.crops.marks()), complete=True)

    def fingerprint(self) -> str:
        return self._fingerprint

    def content(self) -> str:
        return self._content

    def describe(self, index: int) -> tuple[str, int]:
        return str(self.crops.paths[index]), self.crops.labels[index]

    def batch(self, items: list[tuple[int, int]]) -> tuple[Tensor, Tensor]:
        return self.__getitems__(items)

    def batches(self, sampler: BatchSampler) -> Iterator[tuple[Tensor, Tensor]]:
        return read_batches(self, sampler, workers=self.workers, pin_memory=self.pin_memory)


class _OnDevice:
    """Images on the training device; run_parts.TrainingSet says what a run wants of them.

    path: where they lie.
    """

    left_out: str = ""
    notes: Sequence[str] = ()

    def __init__(self, images: DeviceImages, augmentation: Augmentation, *, seed: int, path: str) -> None:
        self.images, self.augmentation, self.seed, self.path = images, augmentation, seed, path

    def __len__(self) -> int:
        return len(self.images)

    def fingerprint(self) -> str:
        return self.images.fingerprint()

    def content(self) -> str:
        return ""

    def batch(self, items: list[tuple[int, int]]) -> tuple[Tensor, Tensor]:
        return augmented(self.images, items, self.augmentation, self.seed)

    def batches(self, sampler: BatchSampler) -> Iterator[tuple[Tensor, Tensor]]:
        return training_batches(self.images, sampler, self.augmentation)


class SmallImages(_OnDevice):
    """CIFAR or MNIST."""

    def __init__(self, images: DeviceImages, augmentation: Augmentation, *, seed: int, path: str) -> None:
        super().__init__(images, augmentation, seed=seed, path=path)
        self.classes = [str(label) for label in range(images.num_classes)]

    def describe(self, index: int) -> tuple[str, int]:
        return str(index), int(self.images.labels[index])


class UnlabelledImages(_OnDevice):
    """Images of no classes, each with the name that a person finds it by."""

    classes: list[str] | None = None

    def __init__(
        self, squares: Squares, augmentation: Augmentation, device: torch.device, *, seed: int, path: str
    ):
        images = DeviceImages(squares.images, torch.zeros(len(squares.names), dtype=torch.int64), 1)
        super().__init__(images.to(device), augmentation, seed=seed, path=path)
        self.names = squares.names
        self.notes: Sequence[str] = squares.notes

    def describe(self, index: int) -> tuple[str, None]:
        return self.names[index], None


def open_crops(config: FaceConfig) -> FaceCrops:
    """The training set. Raises CropsError or SpecError if this network cannot be trained with it."""
    data = config.data
    names = read_names(data.exclude_file) if data.exclude_file is not None else []
    exclude = (*data.exclude, *names)
    crops = FaceCrops.open(data.path, root=data.root, min_images=data.min_images, exclude=exclude)
    if names and not any(crops.left_out.get(name) == "excluded" for name in names):
        raise CropsError(
            f"data.exclude_file {data.exclude_file}: none of its {counted(len(names), 'name')}, of which the "
            f"first is {names[0][:100]!r}, is an identity of {data.path}; give the file that belongs to "
            "these crops, with a name a line"
        )
    check_crops(crops.template, crops.size, config.network.input, origin=data.path)
    if len(crops.identities) < 2:
        advice = "give the folder that holds a folder for each person, or a list file of `path label` lines"
        raise CropsError(
            f"{data.path}: holds one identity only ({crops.identities[0]}); a classifier needs two; "
            + (left_out(crops) or advice)
        )
    return crops


def left_out(crops: FaceCrops) -> str:
    """Which identities of a set are not trained on, and why, in a part of a sentence; empty where all are."""
    if not crops.left_out:
        return ""
    named = [f"{name} ({why})" for name, why in sorted(crops.left_out.items())[:NAMED]]
    more = f" and {len(crops.left_out) - NAMED:,} more" if len(crops.left_out) > NAMED else ""
    people = len(crops.left_out) + len(crops.identities)
    return f"{len(crops.left_out):,} of {people:,} identities left out: {', '.join(named)}{more}"


def read_batches(
    dataset: Any, sampler: BatchSampler, *, workers: int, pin_memory: bool
) -> Iterator[tuple[Tensor, Tensor]]:
    """Endless (images uint8 (B, H, W, 3), labels (B,)) of a data set that is asked for lists of the sampler.

    Raises CropsError, SpecError or ImagesError for a bad file, with its sentence alone also from a reading
    process. Closing the generator ends the reading processes.
    """
    reading = iter(loader(dataset, sampler, workers=workers, pin_memory=pin_memory))
    failure = None
    try:
        yield from reading
    except (CropsError, SpecError, ImagesError) as error:
        # A DataLoader puts the traceback of the reading process before the sentence.
        failure = type(error)(str(error).strip().rpartition(f"{type(error).__name__}: ")[2])
        clear_frames(error.__traceback__)  # they hold the reading processes
    finally:
        del reading  # now, not at exit
    if failure is not None:
        raise failure  # here, without the caught one as its context
