"""One look at each crop: what its bytes, its pixels and its rough shape are."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from sphereface_plus.data.formats.decoding import MemoryShortError, decode
from sphereface_plus.data.formats.packs import CropSource
from sphereface_plus.errors import UserError

from ..packing import encoded

HASH_SIDE = 16
HASH_BITS = HASH_SIDE * HASH_SIDE
TINY_BYTES, TINY_SPREAD = 400, 4.0
"""Below so many bytes, or so little standard deviation of the grey values, a crop shows nothing."""


@dataclass(frozen=True)
class Look:
    """What a crop is, without its pixels."""

    problem: str | None
    """Why it cannot be read; what follows is empty then."""
    size: tuple[int, int] = (0, 0)
    num_bytes: int = 0
    spread: float = 0.0
    """Standard deviation of the grey values, 0..255."""
    of_bytes: bytes = b""
    """sha256 of the file."""
    of_pixels: bytes = b""
    """sha256 of size and RGB pixels: equal for files that differ in form only."""
    rough: np.ndarray | None = None
    """bool (256,): perceptual_hash."""


def look(path: CropSource) -> Look:
    """Raises MemoryShortError."""
    try:
        data = encoded(path)
        pixels = decode(data)
    except MemoryShortError as error:  # not a problem of the crop, which the doctor would propose to drop
        raise MemoryShortError(f"{path}: {error}; the crop may be a good one") from None
    except (UserError, OSError) as error:
        reason = error.strerror or str(error) if isinstance(error, OSError) else str(error)
        return Look(problem=" ".join(reason.split()))
    grey = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
    of_pixels = hashlib.sha256(repr(pixels.shape).encode() + np.ascontiguousarray(pixels).tobytes())
    return Look(
        None,
        (pixels.shape[0], pixels.shape[1]),
        len(data),
        float(grey.std()),
        hashlib.sha256(data).digest(),
        of_pixels.digest(),
        perceptual_hash(grey),
    )


def look_at_all(
    paths: Sequence[CropSource], progress: Callable[[int, int, int], None] | None = None
) -> list[Look]:
    looks, failed = [], 0
    for done, path in enumerate(paths, start=1):
        looks.append(look(path))
        failed += looks[-1].problem is not None
        if progress is not None:
            progress(done, len(paths), failed)
    return looks


def perceptual_hash(grey: np.ndarray) -> np.ndarray:
    """bool (256,) of a grey image: whether each of 16 x 16 areas is darker than the one to its right.

    It keeps under scaling, compression and a change of light. Aligned faces resemble one another, so that
    the usual 64 bits would not tell them apart.
    """
    small = cv2.resize(grey, (HASH_SIDE + 1, HASH_SIDE), interpolation=cv2.INTER_AREA).astype(np.int16)
    return (small[:, :-1] < small[:, 1:]).ravel()
