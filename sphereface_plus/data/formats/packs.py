"""Packed sets: many crops in one file, each of them still one thing that can be named, passed on and read.

A packed set takes the place of an identity/image folder: `PackedCrop` stands where a path stands.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


class Pack(Protocol):
    """A file of many crops. Numbers run from 0, in the order of the set. It may be pickled and forked."""

    @property
    def path(self) -> Path: ...

    def __len__(self) -> int: ...

    def name(self, number: int) -> str:
        """What the crop is called within the file, for messages."""
        ...

    def num_bytes(self, number: int) -> int:
        """Length of the crop's place in the file, without reading it."""
        ...

    def image_bytes(self, number: int) -> int:
        """Length of the crop as it was encoded, without reading it; a file's own length."""
        ...

    def read(self, number: int) -> bytes:
        """The crop as it was encoded: a JPEG, PNG, ... Raises a UserError that names file and offset."""
        ...


class FileByOffset:
    """A file that is read at any place. It may be pickled and forked: each process opens the file for itself
    when it first reads."""

    _descriptor = -1

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)

    def __getstate__(self) -> dict:
        return {name: value for name, value in self.__dict__.items() if name != "_descriptor"}

    def __del__(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)

    def read_at(self, offset: int, count: int) -> bytes:
        """Up to `count` bytes, fewer at the end of the file. Raises OSError."""
        if self._descriptor < 0:
            self._descriptor = os.open(self.path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
        return os.pread(self._descriptor, count, offset)


@dataclass(frozen=True, slots=True)
class PackedCrop:
    """One crop of a pack."""

    pack: Pack
    number: int

    def __str__(self) -> str:
        return f"{self.pack.path}, {self.pack.name(self.number)}"

    @property
    def num_bytes(self) -> int:
        return self.pack.num_bytes(self.number)

    @property
    def image_bytes(self) -> int:
        return self.pack.image_bytes(self.number)

    def read(self) -> bytes:
        """The crop as it was encoded. Raises a UserError that names file and offset."""
        return self.pack.read(self.number)


CropSource = str | Path | PackedCrop
"""Where a crop is read from: a file, or a place in a packed one."""
