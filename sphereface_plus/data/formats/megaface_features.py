"""Features as MegaFace's development kit takes them, a file an image: `<image's path>_<model>.bin`.

Four int32, little-endian: rows, columns, bytes from row to row, type; then the rows. It is the header of
OpenCV's matrices: type 5 is float32, 6 float64. A feature of D numbers has D rows of one column.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from sphereface_plus.data.formats.megaface_lists import MegaFaceError
from sphereface_plus.files import write_bytes

_HEADER = struct.Struct("<4i")
_TYPES = {5: np.dtype("<f4"), 6: np.dtype("<f8")}
LONGEST = 1 << 16
"""Numbers of a feature; a header that says more is not believed."""


def read_feature(file: str | Path) -> np.ndarray:
    """The numbers (D,) float32 of a feature file. Raises MegaFaceError."""
    file = Path(file)
    try:
        data = file.read_bytes()
    except OSError as error:
        raise MegaFaceError(f"{file}: cannot be read ({error.strerror})") from None
    if len(data) < _HEADER.size:
        raise MegaFaceError(f"{file}: ends within its header; extract this feature again")
    rows, columns, stride, kind = _HEADER.unpack_from(data)
    if kind not in _TYPES or not (
        0 < rows <= LONGEST and 0 < columns <= LONGEST and rows * columns <= LONGEST
    ):
        raise MegaFaceError(
            f"{file}: is not a feature of MegaFace's kit: its header says {rows} rows, {columns} columns, "
            f"type {kind}"
        )
    row = columns * _TYPES[kind].itemsize
    if stride < row or len(data) != _HEADER.size + rows * stride:
        raise MegaFaceError(
            f"{file}: has {len(data):,} bytes, by its header {_HEADER.size + rows * max(stride, row):,}; "
            "extract this feature again"
        )
    numbers = np.frombuffer(data, np.uint8, offset=_HEADER.size).reshape(rows, stride)[:, :row]
    with np.errstate(over="ignore"):  # of numbers beyond float32's range, which become inf
        return np.ascontiguousarray(numbers).view(_TYPES[kind]).reshape(-1).astype(np.float32)


def write_feature(file: str | Path, embedding: np.ndarray) -> None:
    """embedding (D,), written as float32. Raises WriteError."""
    numbers = np.asarray(embedding, dtype="<f4").reshape(-1)
    write_bytes(file, _HEADER.pack(len(numbers), 1, numbers.itemsize, 5) + numbers.tobytes())


def feature_suffix(folder: str | Path, paths: Iterable[str]) -> str:
    """What follows an image's path in the name of its feature file, such as `_mine.bin`.

    It is that of the first image with a feature. Raises MegaFaceError where none has one, or one has several.
    """
    for path in paths:
        image = Path(folder) / path
        found = [
            file.name[len(image.name) :]
            for file in (image.parent.iterdir() if image.parent.is_dir() else ())
            if file.name.startswith(image.name) and file.suffix == ".bin"
        ]
        if len(found) > 1:
            raise MegaFaceError(
                f"{folder}: holds features of several models, {', '.join(sorted(found))}; say which by "
                "--suffix"
            )
        if found:
            return found[0]
    raise MegaFaceError(
        f"{folder}: holds no feature <image>_<name>.bin of the list's images; is it the folder that their "
        "paths start from? If it holds photos or crops, give --model"
    )
