"""Images that are in two sets, or twice in one, byte by byte."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from sphereface_plus.data.crops import crop_bytes
from sphereface_plus.data.formats.packs import CropSource, PackedCrop


def copies_in(
    among: Sequence[CropSource] | np.ndarray, images: Sequence[CropSource] | np.ndarray
) -> dict[int, list[int]]:
    """Places in `images` -> the places in `among` that hold the same bytes, where there are any.

    Crops, or rows of embeddings where these are all that is known. Only crops whose lengths are found on both
    sides are read.
    """
    if isinstance(among, np.ndarray) or isinstance(images, np.ndarray):
        marks = [
            [hashlib.sha256(np.ascontiguousarray(row).tobytes()).digest() for row in rows]
            for rows in (among, images)
        ]
    else:
        lengths = [[_length(crop) for crop in crops] for crops in (among, images)]
        both = set(lengths[0]) & set(lengths[1])
        read: dict[str, bytes] = {}
        marks = [
            [_digest(crop, read) if length in both else b"" for crop, length in zip(crops, of, strict=True)]
            for crops, of in zip((among, images), lengths, strict=True)
        ]
    places: dict[bytes, list[int]] = defaultdict(list)
    for place, mark in enumerate(marks[0]):
        if mark:
            places[mark].append(place)
    return {place: places[mark] for place, mark in enumerate(marks[1]) if mark in places}


def _length(crop: CropSource) -> int:
    return crop.image_bytes if isinstance(crop, PackedCrop) else Path(crop).stat().st_size


def _digest(crop: CropSource, read: dict[str, bytes]) -> bytes:
    """read: what was read before, by file."""
    if isinstance(crop, PackedCrop):
        return hashlib.sha256(crop_bytes(crop)).digest()
    if str(crop) not in read:
        read[str(crop)] = hashlib.sha256(crop_bytes(crop)).digest()
    return read[str(crop)]
