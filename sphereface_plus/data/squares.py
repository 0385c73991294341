"""Images of any sizes as squares of one size, for a generator: a folder of them, or crops of faces.

The middle square is cut out, and resized by the mean over each pixel's area where it shrinks. All lie in
memory, and on the training device: 10^5 of 64 x 64 take 1.2 GB.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from sphereface_plus.data.crops import read_crop
from sphereface_plus.data.faces import FaceCrops
from sphereface_plus.data.formats.any_image import image_bytes
from sphereface_plus.data.formats.decoding import DecodeError, MemoryShortError, decode
from sphereface_plus.data.formats.keys import IMAGE_SUFFIXES
from sphereface_plus.data.images import ImagesError
from sphereface_plus.words import counted

LEAST = 2


@dataclass(frozen=True)
class Squares:
    images: Tensor
    """uint8 RGB (N, S, S, 3)."""
    names: list[str]
    """What a person finds each by."""
    notes: list[str]
    """What is odd about the set, a sentence each."""


def squares_of_folder(path: Path, size: int) -> Squares:
    """Every image in a folder and in the folders in it, in the order of their paths, but hidden ones.

    Raises ImagesError where there are fewer than two, or one cannot be read.
    """
    if not path.is_dir():
        raise ImagesError(
            f"{path}: is no folder; data.name folder takes a folder of images, faces also a manifest, list "
            "or packed set of crops"
        )
    names = sorted(_names_below(path))
    return _squares(path, names, lambda name: _read(path / name), size)


def squares_of_faces(path: Path, size: int) -> Squares:
    """Crops in any form that a training on faces takes (data/faces.py), without their identities.

    Raises CropsError and what else FaceCrops.open does, and ImagesError for fewer than two.
    """
    crops = FaceCrops.open(path)
    places = {str(place): place for place in crops.paths}
    found = _squares(path, list(places), lambda name: read_crop(places[name]), size)
    return Squares(found.images, found.names, [*crops.notes, *found.notes])


def square(image: np.ndarray, size: int) -> np.ndarray:
    """uint8 (H, W, 3) -> (size, size, 3): the middle square, resized."""
    side = min(image.shape[:2])
    top, left = ((length - side) // 2 for length in image.shape[:2])
    middle = image[top : top + side, left : left + side]
    how = cv2.INTER_AREA if side > size else cv2.INTER_CUBIC
    return middle if side == size else cv2.resize(middle, (size, size), interpolation=how)


def _names_below(path: Path) -> list[str]:
    names = []
    for folder, folders, files in os.walk(path):
        folders[:] = [name for name in folders if not name.startswith(".")]
        shown = [name for name in files if not name.startswith(".")]
        found = [name for name in shown if Path(name).suffix.lower() in IMAGE_SUFFIXES]
        names += [(Path(folder) / name).relative_to(path).as_posix() for name in found]
    return names


def _read(file: Path) -> np.ndarray:
    try:
        return decode(image_bytes(file))
    except MemoryShortError as error:
        raise MemoryShortError(f"{file}: {error}") from None
    except OSError as error:
        raise ImagesError(f"{file}: cannot be read ({error.strerror})") from None
    except DecodeError as error:
        raise ImagesError(f"{file}: {error}; make it again or take it out of the folder") from None


def _squares(path: Path, names: Sequence[str], read: Callable[[str], np.ndarray], size: int) -> Squares:
    if len(names) < LEAST:
        raise ImagesError(
            f"{path}: holds {counted(len(names), 'image')}; a generator needs two, and many more"
        )
    images = np.empty((len(names), size, size, 3), dtype=np.uint8)
    smaller = 0

    def fill(place: int) -> bool:
        image = read(names[place])
        images[place] = square(image, size)
        return min(image.shape[:2]) < size

    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        smaller = sum(pool.map(fill, range(len(names))))
    enlarged = [f"{counted(smaller, 'image')} smaller than {size}x{size} were enlarged"] if smaller else []
    return Squares(torch.from_numpy(images), list(names), enlarged)
