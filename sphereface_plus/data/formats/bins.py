"""insightface's verification sets, `.bin`: a pickle of (encoded images, which pairs are genuine).

    ([image 0, image 1, image 2, ...], [genuine 0, genuine 1, ...])    images 2 k and 2 k + 1 are pair k

An image is the bytes of a JPEG or PNG, or a numpy array of them; `genuine` is a list of booleans or an array.
"""

from __future__ import annotations

import hashlib
import pickle
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sphereface_plus.data.formats.packs import PackedCrop
from sphereface_plus.data.formats.pairs import Pairs
from sphereface_plus.data.formats.plain_pickle import PickleError, load_plain
from sphereface_plus.errors import UserError
from sphereface_plus.files import new_file
from sphereface_plus.words import counted


class BinError(UserError):
    """A .bin that cannot be used; the message names the file and the byte offset or the image."""


@dataclass(frozen=True)
class BinPairs:
    """A verification set in memory; as a Pack (packs.py) it gives its distinct images."""

    path: Path
    pairs: Pairs
    """Photo keys are the numbers of the distinct images, `00000`, `00001`, ..., in order of appearance.
    A .bin has no folds: all are 0."""
    images: list[bytes]
    """The distinct images as they were encoded."""

    @property
    def crops(self) -> dict[str, PackedCrop]:
        """The distinct images by photo key."""
        return {f"{number:05d}": PackedCrop(self, number) for number in range(len(self.images))}

    def __len__(self) -> int:
        return len(self.images)

    def name(self, number: int) -> str:
        return f"image {number}"

    def num_bytes(self, number: int) -> int:
        return len(self.images[number])

    image_bytes = num_bytes

    def read(self, number: int) -> bytes:
        return self.images[number]


def read_bin(path: str | Path) -> BinPairs:
    """The pairs of a .bin. Raises BinError; memory is bounded by the file's size."""
    path = Path(path)
    try:
        content = load_plain(path.read_bytes())
    except OSError as error:
        raise BinError(f"{path}: cannot be read ({error.strerror})") from None
    except PickleError as error:
        raise BinError(f"{path}, {error}") from None
    if not (isinstance(content, tuple | list) and len(content) == 2):
        raise BinError(f"{path}: expected a pickle of (images, genuine), got {_kind(content)}")
    listed, genuine = _list(content[0]), _list(content[1])
    if not genuine or len(listed) != 2 * len(genuine):
        raise BinError(
            f"{path}: expected {counted(2 * len(genuine), 'image')} for {counted(len(genuine), 'pair')}, "
            f"got {len(listed):,}"
        )
    for number, same in enumerate(genuine):
        if not (isinstance(same, bool | int) and same in (0, 1)):
            raise BinError(f"{path}: pair {number} is genuine or not, True or False, got {_kind(same)}")
    images: list[bytes] = []
    of_object: dict[int, int] = {}  # a pickle may name one object a million times
    of_hash: dict[bytes, int] = {}  # LFW's 12,000 images are 7,701 different ones
    for number, value in enumerate(listed):
        if id(value) in of_object:
            continue
        image = _image(value)
        if image is None:
            raise BinError(f"{path}: image {number} should be the bytes of a JPEG or PNG, got {_kind(value)}")
        of_object[id(value)] = of_hash.setdefault(hashlib.sha256(image).digest(), len(images))
        if len(of_hash) > len(images):
            images.append(image)
    keys = [f"{of_object[id(value)]:05d}" for value in listed]
    pairs = Pairs(
        keys[0::2], keys[1::2], np.array(genuine, dtype=bool), np.zeros(len(genuine), dtype=np.int64)
    )
    return BinPairs(path, pairs, images)


def write_bin(path: str | Path, pairs: Iterable[tuple[bytes, bytes]], genuine: Sequence[bool]) -> None:
    """Writes pairs of encoded images; the file appears whole or not at all. Raises BinError, WriteError.

    An image that occurs again must be the same object to be written once. Python 3.4 or newer reads it.
    """
    path = Path(path)
    images = [image for pair in pairs for image in pair]
    if len(images) != 2 * len(genuine) or not images:
        raise BinError(
            f"{path}: expected {counted(2 * len(genuine), 'image')} for {counted(len(genuine), 'pair')}, "
            f"got {len(images):,}"
        )
    with new_file(path, large=True) as file:
        pickle.dump((images, [bool(same) for same in genuine]), file, protocol=4)


def _list(value: Any) -> list[Any]:
    if isinstance(value, np.ndarray):
        if not (value.ndim and value.size):  # a shape such as (10**12, 0) costs a file nothing
            return []
        return list(value) if value.ndim > 1 else value.tolist()
    return list(value) if isinstance(value, list | tuple) else []


def _image(value: Any) -> bytes | None:
    """The bytes of an image: bytes, or uint8 (n,) or (n, 1) as OpenCV's imencode gives them."""
    if isinstance(value, np.ndarray) and value.dtype == np.uint8 and value.shape[1:] in ((), (1,)):
        return value.tobytes() if value.ndim else None
    return value if isinstance(value, bytes) else None


def _kind(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return f"an array {value.dtype} {value.shape}"
    length = f" of {len(value)}" if isinstance(value, list | tuple) else ""
    return type(value).__name__ + length
