"""One crop's way from its file to a network's input, and the refusal of crops that the network is not for.

A crop in memory is always uint8 RGB, (H, W, 3), whatever its file holds. Only `normalise` turns crops into
what a network sees (channel order, mean, scale), on the device, so that processes that read crops pass on
bytes.
"""

from __future__ import annotations

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
