"""Where measured images come from, in blocks: a generator's by block of noise, real ones in a fixed order.

Features of blocks are kept in a folder, so that a measurement that was stopped goes on, and the next one of
the same images has them.
"""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from sphereface_plus.commands.progress import Progressed
from sphereface_plus.config.gan import GanDataConfig
from sphereface_plus.data import streams
from sphereface_plus.data.image_sets import open_images
from sphereface_plus.data.images import DeviceImages
from sphereface_plus.data.noise import measured_noise
from sphereface_plus.data.squares import squares_of_faces, squares_of_folder
from sphereface_plus.files import new_file

from .errors import GeneratorError
from .extractors import Extractor
from .generators import Generator

BLOCK = 1000
"""Images whose features are kept in one file."""


@dataclass(frozen=True)
class Source:
    """Images in an order of their own."""

    name: str
    key: str
    """A hash of which images these are."""
    count: int
    block: Callable[[int, int], Tensor]
    """uint8 (count, H, W, C): the first `count` images of this block."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """Height, width, channels."""
        height, width, channels = self.block(0, 1).shape[1:]
        return height, width, channels


def generated(generator: Generator, count: int, seed: int, batch_size: int) -> Source:
    """The images of a seed's noise: image k is the same whatever the count and the batch size. The network is
    read at the first block, and lives as long as the source."""
    opened = cache(generator.opened)

    def block(number: int, count: int) -> Tensor:
        noise = measured_noise(seed, number, count, generator.config.network.noise_size)
        return torch.cat([opened()(part) for part in noise.split(batch_size)])

    return Source(str(generator.place), f"{generator.sha256} {seed}", count, block)


def real_images(data: GanDataConfig, path: Path, split: str) -> DeviceImages:
    """Images of the kind that a run was trained on, as its training reads them, on the CPU.

    Raises ImagesError, CropsError and what else the set's own reader does, GeneratorError for a split that
    the set does not have.
    """
    if data.name in ("cifar10", "cifar100"):
        return open_images(data.name, path, split)
    if split != "train":
        raise GeneratorError(
            f"--split {split}: a set of {data.name} has no such part; name the images by --real"
        )
    squares = (squares_of_faces if data.name == "faces" else squares_of_folder)(path, data.side)
    return DeviceImages(squares.images, torch.zeros(len(squares.names), dtype=torch.int64), 1)


def real(images: DeviceImages, name: str, count: int | None) -> Source:
    """Real images in an order that is drawn once: their own is often by class, and splits and blocks need
    random ones. Raises GeneratorError where more are asked for than there are."""
    if count is not None and count > len(images):
        raise GeneratorError(f"{name}: {count:,} reference images are asked for, it has {len(images):,}")
    order = streams.generator(0, streams.REFERENCE_ORDER).permutation(len(images))

    def block(number: int, count: int) -> Tensor:
        return images.images[torch.from_numpy(order[number * BLOCK :][:count])]

    return Source(name, images.fingerprint(), count or len(images), block)


def features_of(
    source: Source, extractor: Extractor, store: Path, batch_size: int, progress: Progressed
) -> tuple[np.ndarray, np.ndarray]:
    """Features (N, D) and logits (N, classes) of a source's images; blocks that `store` has are read there,
    the others are computed and kept.

    Raises GeneratorError for images that the extractor does not take, WriteError.
    """
    height, width, channels = source.shape
    if not extractor.fits(source.shape):
        raise GeneratorError(
            f"{source.name}: its images are {height}x{width} of {channels} channels, and the extractor "
            f"{extractor.name} takes {extractor.takes}"
        )
    name = _name(source, extractor)
    progress(0, source.count)
    parts = []
    for start in range(0, source.count, BLOCK):
        count = min(BLOCK, source.count - start)
        file = store / f"{name}_{start:08d}_{count}.npz"
        part = _kept(file)
        if part is None:
            images = source.block(start // BLOCK, count)
            found = [extractor(batch) for batch in images.split(batch_size)]
            part = tuple(np.concatenate(arrays) for arrays in zip(*found, strict=True))
            with new_file(file) as opened:
                np.savez(opened, features=part[0], logits=part[1])
        parts.append(part)
        progress(start + count, source.count)
    features, logits = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    return features, logits


def files_of(source: Source, extractor: Extractor, store: Path) -> list[Path]:
    """Those that keep features of these images."""
    return sorted(store.glob(f"{_name(source, extractor)}_*.npz"))


def _name(source: Source, extractor: Extractor) -> str:
    """What the files' names begin with."""
    digest = hashlib.sha256(f"{extractor.sha256} {extractor.resize} {source.key}".encode()).hexdigest()
    return f"{extractor.kind}_{digest[:20]}"


def _kept(file: Path) -> tuple[np.ndarray, np.ndarray] | None:
    """None where it is not there, or is damaged: it is made again."""
    try:
        with np.load(file) as arrays:
            return arrays["features"], arrays["logits"]
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None
