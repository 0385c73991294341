"""A set of small images as one tensor on the training device, and its batches, made there.

CIFAR takes 150 MB, MNIST 50: a batch, augmentation included, is one gather. Batch k is a pure function of
(seed, k): the sampler (batches.py) gives the order, and the random numbers of an image follow from the seed
and its position in the stream, the same on every device and however a batch is cut.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from sphereface_plus.data import streams
from sphereface_plus.data.batches import BatchSampler
from sphereface_plus.errors import UserError


class ImagesError(UserError):
    """Images that cannot be used; the message names the set and says what to do."""


@dataclass(frozen=True)
class DeviceImages:
    """Images with their labels on one device. Raises ImagesError where the three fields contradict."""

    images: Tensor
    """uint8 (N, H, W, C), RGB or grey."""
    labels: Tensor
    """int64 (N,), 0 .. num_classes - 1."""
    num_classes: int

    def __post_init__(self) -> None:
        if self.images.ndim != 4 or self.images.dtype != torch.uint8:
            raise ImagesError(
                f"expected images uint8 (N, H, W, C), got {self.images.dtype} {tuple(self.images.shape)}"
            )
        if len(self.images) == 0 or self.labels.shape != (len(self.images),):
            raise ImagesError(
                f"expected one label for each image, got {len(self.images)} images "
                f"and labels {tuple(self.labels.shape)}"
            )
        low, high = int(self.labels.min()), int(self.labels.max())
        if low < 0 or high >= self.num_classes:
            raise ImagesError(
                f"{self.num_classes} classes need labels 0 to {self.num_classes - 1}, got {low} to {high}"
            )

    def __len__(self) -> int:
        return len(self.images)

    def fingerprint(self) -> str:
        """A hash over the images, in their order, and their labels."""
        digest = hashlib.sha256(self.images.cpu().numpy().tobytes())
        digest.update(self.labels.cpu().numpy().tobytes())
        return digest.hexdigest()

    def to(self, device: torch.device | str) -> DeviceImages:
        return DeviceImages(self.images.to(device), self.labels.to(device), self.num_classes)

    def subset(self, indices: np.ndarray) -> DeviceImages:
        """The images of these indices, in their order (selection.py makes them)."""
        index = torch.from_numpy(indices).to(self.images.device)
        return DeviceImages(self.images[index], self.labels[index], self.num_classes)


@dataclass(frozen=True)
class Augmentation:
    """What "moderate data augmentation" does (section 5.1, after He et al.)."""

    pad: int = 4
    """Pixels added at each side, before a window of the image's size is cut out at a random place."""
    border: Literal["zero", "mirror"] = "zero"
    """What is added: black, as He et al. do, or the mirrored image, as the released code of MHE does."""
    flip: bool = True
    """Mirror with probability one half; not for digits."""


def training_batches(
    images: DeviceImages, sampler: BatchSampler, augmentation: Augmentation
) -> Iterator[tuple[Tensor, Tensor]]:
    """Endless augmented batches (uint8 (B, H, W, C), labels (B,)), one for each list of the sampler.

    Raises ImagesError where the border would be larger than the image.
    """
    if augmentation.pad > min(images.images.shape[1:3]):
        raise ImagesError(
            f"data.pad: {augmentation.pad} pixels are more than the image of "
            f"{images.images.shape[1]}x{images.images.shape[2]} has"
        )
    return (augmented(images, items, augmentation, sampler.seed) for items in sampler)


def batches_in_order(images: DeviceImages, batch_size: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Each image once, as it is: batches (uint8 (B, H, W, C), labels (B,)), the last one smaller."""
    return zip(images.images.split(batch_size), images.labels.split(batch_size), strict=True)


def augmented(
    images: DeviceImages, items: Sequence[tuple[int, int]], augmentation: Augmentation, seed: int
) -> tuple[Tensor, Tensor]:
    """The batch (uint8 (B, H, W, C), labels (B,)) of items (index, position), positions consecutive."""
    places = 2 * augmentation.pad + 1
    numbers = _random_numbers(seed, items[0][1], len(items))  # (B, 4)
    drawn = np.empty((4, len(items)), dtype=np.int64)
    drawn[0] = [index for index, _ in items]
    drawn[1:3] = numbers[:, :2].T % places  # the bias of the remainder is below 1e-17
    drawn[3] = numbers[:, 2] & augmentation.flip
    # One small copy to the device, which a GPU does not wait for; all that follows runs there.
    index, top, left, mirrored = _copied(torch.from_numpy(drawn), images.images.device)
    height, width = images.images.shape[1:3]
    # Where each pixel of the batch comes from, negative or beyond the last in the border.
    rows = _window(top - augmentation.pad, height)  # (B, H)
    columns = _window(left - augmentation.pad, width)  # (B, W)
    columns = torch.where(mirrored[:, None] == 1, columns.flip(1), columns)
    inside = _inside(rows, height)[:, :, None] & _inside(columns, width)[:, None, :]  # (B, H, W)
    rows, columns = _reflected(rows, height), _reflected(columns, width)
    pixel = (index[:, None, None] * height + rows[:, :, None]) * width + columns[:, None, :]  # (B, H, W)
    batch = images.images.flatten(0, 2)[pixel]  # (B, H, W, C)
    if augmentation.border == "zero":
        batch *= inside[..., None]
    return batch, images.labels[index]


def normalise(
    images: Tensor, mean: float | tuple[float, ...] = 127.5, std: float | tuple[float, ...] = 128.0
) -> Tensor:
    """What a network sees, (v - mean) / std: uint8 (B, H, W, C) -> float32 (B, C, H, W).

    mean, std: of values 0..255, one number or one a channel. The default is the released code's.
    The numbers stay in the order (B, H, W, C) in memory: torch's channels_last.
    """
    subtract, divide = (_constant(numbers, images.device) for numbers in (mean, std))  # () or (C,)
    return images.float().sub_(subtract).div_(divide).permute(0, 3, 1, 2)


@cache
def _constant(numbers: float | tuple[float, ...], device: torch.device) -> Tensor:
    """Copied to the device once, as every copy from ordinary memory waits for the device."""
    return torch.tensor(numbers, dtype=torch.float32, device=device)


def _copied(tensor: Tensor, device: torch.device) -> Tensor:
    """On the device; from pinned memory where that is a GPU, so that nobody waits."""
    return tensor.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else tensor.to(device)


def _random_numbers(seed: int, first: int, count: int) -> np.ndarray:
    """uint64 (count, 4) for the positions first, first + 1, ...; a row depends on seed and position alone.

    Philox computes its k-th block of four numbers from a key and k, without those before it.
    """
    key = streams.key(seed, streams.IMAGE_AUGMENTATION).generate_state(2, np.uint64)
    return np.random.Philox(key=key, counter=first).random_raw(4 * count).reshape(count, 4)


def _window(start: Tensor, length: int) -> Tensor:
    return start[:, None] + torch.arange(length, device=start.device)  # (B, length)


def _inside(coordinate: Tensor, length: int) -> Tensor:
    return (coordinate >= 0) & (coordinate < length)


def _reflected(coordinate: Tensor, length: int) -> Tensor:
    """-1 is 0, -2 is 1, length is length - 1, and so on: the border pixel occurs twice."""
    coordinate = torch.where(coordinate < 0, -1 - coordinate, coordinate)
    return torch.where(coordinate >= length, 2 * length - 1 - coordinate, coordinate)
