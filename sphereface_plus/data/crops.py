"""One crop's way from its file to a network's input, and the refusal of crops that the network is not for.

A crop in memory is always uint8 RGB, (H, W, 3), whatever its file holds. Only `normalise` turns crops into
what a network sees (channel order, mean, scale), on the device, so that processes that read crops pass on
bytes.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from sphereface_plus.config import InputSpec
from sphereface_plus.data.formats.any_image import image_bytes
from sphereface_plus.data.formats.decoding import DecodeError, MemoryShortError, decode
from sphereface_plus.data.formats.packs import CropSource, PackedCrop
from sphereface_plus.errors import UserError


class CropsError(UserError):
    """Crops that cannot be used; the message names the file or folder and says what to do."""


class SpecError(UserError):
    """Crops that are not what a network expects; the message says what was expected and what came."""


def read_crop(source: CropSource) -> np.ndarray:
    """A crop as uint8 RGB, (H, W, 3). Raises CropsError where it is missing, cut short or no image."""
    try:
        return decode(crop_bytes(source))
    except DecodeError as error:
        raise CropsError(f"{source}: the crop {error}; make it again or take it off the list") from None
    except MemoryShortError as error:
        raise MemoryShortError(f"{source}: {error}; the crop may be a good one") from None


def crop_bytes(source: CropSource) -> bytes:
    """A crop as it was encoded. Raises CropsError where it cannot be read."""
    try:
        return source.read() if isinstance(source, PackedCrop) else image_bytes(source)
    except OSError as error:
        raise CropsError(f"{source}: the crop cannot be read ({error.strerror})") from None
    except UserError as error:  # a pack's, which names file and offset
        raise CropsError(str(error)) from None


def read_ahead(
    paths: Sequence[CropSource], batch_size: int, expected: InputSpec
) -> Iterator[list[np.ndarray]]:
    """The crops, batch by batch; while the caller works on one, threads read the next.

    Raises CropsError for a crop that cannot be read, SpecError for one that is not of the expected size.
    """

    def read(path: CropSource) -> np.ndarray:
        crop = read_crop(path)
        try:
            check_crops(None, crop.shape[:2], expected)
        except SpecError as error:
            raise SpecError(f"{path}: {error}") from None
        return crop

    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        batch: list[Future[np.ndarray]] = []
        for start in range(0, len(paths), batch_size):
            following = [pool.submit(read, path) for path in paths[start : start + batch_size]]
            if batch:
                yield [crop.result() for crop in batch]
            batch = following
        if batch:
            yield [crop.result() for crop in batch]


def fingerprint(keys: Iterable[str], crops: Iterable[CropSource]) -> str:
    """sha256 of which files these are, by photo keys, lengths and times of change; of packed ones by keys
    and lengths, as the packed file's own time would change with its place. Raises CropsError."""
    digest = hashlib.sha256()
    for key, source in zip(keys, crops, strict=True):
        if isinstance(source, PackedCrop):
            state = f"{source.num_bytes}"
        else:
            try:
                status = Path(source).stat()
            except OSError as error:
                raise CropsError(f"{source}: the crop cannot be read ({error.strerror})") from None
            state = f"{status.st_size}\t{status.st_mtime_ns}"
        digest.update(f"{key}\t{state}\n".encode(errors="surrogateescape"))
    return digest.hexdigest()


def normalise(crops: Tensor, spec: InputSpec) -> Tensor:
    """What a network sees, (v - mean) / std: uint8 RGB crops (B, H, W, 3) -> float32 (B, 3, H, W).

    Runs on the crops' device. The numbers stay in the order (B, H, W, 3) in memory: torch's channels_last.
    Raises SpecError for crops of another size.
    """
    if crops.ndim != 4 or crops.shape[3] != 3 or crops.dtype != torch.uint8:
        raise SpecError(f"expected crops uint8 RGB (B, H, W, 3), got {crops.dtype} {tuple(crops.shape)}")
    check_crops(None, (crops.shape[1], crops.shape[2]), spec)
    channels = crops.permute(0, 3, 1, 2)
    if spec.color == "bgr":
        channels = channels.flip(1)
    mean, std = (torch.tensor(values, device=crops.device).view(3, 1, 1) for values in (spec.mean, spec.std))
    return channels.float().sub_(mean).div_(std)


def check_crops(
    template: str | None, size: tuple[int, int], expected: InputSpec, *, origin: str | Path | None = None
) -> None:
    """Raises SpecError where crops of this template (None: not known) and (H, W) are not what is expected.

    origin: where the crops lie, for the message.
    """
    if size != (expected.height, expected.width) or template not in (None, expected.template):
        raise SpecError(
            (f"{origin}: " if origin else "")
            + f"expected {expected.template} crops of {expected.height}x{expected.width} (height x width), "
            f"got {template + ' crops' if template else 'images'} of {size[0]}x{size[1]}; align the photos: "
            f"python -m data_prep align PHOTOS CROPS --template {expected.template}"
        )


def check_input(given: InputSpec, expected: InputSpec, *, origin: str) -> None:
    """Raises SpecError, naming each field that differs, where a model is given another input spec.

    A crop does not show its network's channel order, mean or scale; comparing specs keeps RGB from passing
    for BGR.
    """
    differs = [name for name in InputSpec.model_fields if getattr(given, name) != getattr(expected, name)]
    if differs:
        fields = "; ".join(
            f"{name} {getattr(expected, name)}, got {getattr(given, name)}" for name in differs
        )
        raise SpecError(
            f"{origin}: expects another input: {fields}; use the input spec that it was trained with"
        )
