"""Images in `train/<class>/` and `test/<class>/`, from a folder or a tar of one, decoded into one array.

Nothing is extracted to the disk.
"""

from __future__ import annotations

import io
import lzma
import os
import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

from sphereface_plus.data.formats.any_image import MAX_BYTES, image_bytes
from sphereface_plus.data.formats.decoding import DecodeError, MemoryShortError, decode
from sphereface_plus.data.formats.keys import IMAGE_SUFFIXES
from sphereface_plus.data.images import DeviceImages, ImagesError

SPLITS = ("train", "test")

File = tuple[str, str, str]  # split, class, file name; no file name for the class's folder itself


def read_folders(path: Path, split: str) -> DeviceImages:
    """The images of a split, uint8 RGB, by class and file name. Labels number the sorted classes.

    path: a folder with train/ and test/, or a tar, compressed or not, of one.
    Raises ImagesError where there is no image, a class has none, the sizes differ, or one cannot be read.
    """
    images: dict[File, np.ndarray] = {}
    classes: set[str] = set()  # of both splits: a class that one of them lacks must not shift the labels
    for (of, class_name, file_name), data in _files(path, split):
        classes.add(class_name)
        if of == split and file_name:
            images[of, class_name, file_name] = _decode(data, f"{path}: {of}/{class_name}/{file_name}")
    if not images:
        raise ImagesError(f"{path}: holds no image in {split}/<class>/")
    empty = sorted(classes - {class_name for _, class_name, _ in images})
    if empty:
        raise ImagesError(
            f"{path}: class {empty[0]} has no image in {split}/; complete it, or take it off every split"
        )
    names = sorted(images)
    size = images[names[0]].shape
    for name in names:
        if images[name].shape != size:
            raise ImagesError(
                f"{path}: {'/'.join(name)} is {_size(images[name].shape)}, "
                f"{'/'.join(names[0])} is {_size(size)}; a set has images of one size"
            )
    label_of = {class_name: label for label, class_name in enumerate(sorted(classes))}
    return DeviceImages(
        torch.from_numpy(np.stack([images[name] for name in names])),
        torch.tensor([label_of[class_name] for _, class_name, _ in names]),
        len(classes),
    )


def _files(path: Path, split: str) -> Iterator[tuple[File, bytes]]:
    """Class folders and images of all splits; the bytes of those of `split` only."""
    return _folder_files(path, split) if path.is_dir() else _tar_files(path, split)


def _folder_files(path: Path, split: str) -> Iterator[tuple[File, bytes]]:
    for of in SPLITS:
        for folder in (path / of).glob("[!.]*/"):
            yield (of, folder.name, ""), b""
            for file in folder.iterdir():
                if of == split and _is_image(file.name):
                    try:
                        yield (of, folder.name, file.name), image_bytes(file)
                    except OSError as error:
                        raise ImagesError(f"{file}: cannot be read ({error.strerror})") from None


def _tar_files(path: Path, split: str) -> Iterator[tuple[File, bytes]]:
    try:
        # Not as a stream, `r|*`, which takes compressed data that are cut short for whole.
        with tarfile.open(path, "r:*") as tar:
            for member in tar:
                parts = member.name.split("/")
                if member.isdir() and parts[-2:-1] and parts[-2] in SPLITS and not parts[-1].startswith("."):
                    yield (parts[-2], parts[-1], ""), b""
                elif member.isfile() and parts[-3:-2] and parts[-3] in SPLITS and _is_image(parts[-1]):
                    if member.size > MAX_BYTES:
                        raise ImagesError(
                            f"{path}: {member.name} has {member.size:,} bytes, which no image has"
                        )
                    file = tar.extractfile(member)
                    assert file is not None  # a regular file
                    yield (parts[-3], parts[-2], parts[-1]), file.read() if parts[-3] == split else b""
            _refuse_cut_short(tar)
    except (tarfile.TarError, OSError, EOFError, zlib.error, lzma.LZMAError) as error:
        raise ImagesError(
            f"{path}: is not a tar, or is damaged ({' '.join(str(error).split())}); get it again"
        ) from None


def _refuse_cut_short(tar: tarfile.TarFile) -> None:
    """tarfile takes a tar that was cut between two members for whole. Raises EOFError.

    A compressed one raises it where it is read to its end; another ends in a block of zeros.
    """
    stream = tar.fileobj
    assert stream is not None  # it is open
    while stream.read(2**20):
        pass
    if isinstance(stream, io.BufferedReader):
        stream.seek(-tarfile.BLOCKSIZE, os.SEEK_END)
        if any(stream.read()):
            raise EOFError("it has no end")


def _is_image(name: str) -> bool:
    return not name.startswith(".") and name.lower().endswith(tuple(IMAGE_SUFFIXES))


def _decode(data: bytes, name: str) -> np.ndarray:
    try:
        return decode(data)
    except DecodeError as error:
        raise ImagesError(f"{name} {error}") from None
    except MemoryShortError as error:
        raise MemoryShortError(f"{name}: {error}") from None


def _size(shape: tuple[int, ...]) -> str:
    return f"{shape[0]}x{shape[1]}"
