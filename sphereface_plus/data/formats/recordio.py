"""MXNet's RecordIO, `.rec` with its `.idx`, read at random and in order and written, without mxnet.

    part     magic 0xced7230a | cflag (3 bits), length (29 bits) | content | zeros up to a multiple of 4
    record   one part of cflag 0; or parts of cflag 1, 2, ..., 2, 3, whose contents are joined by the magic
    .idx     text, a line `key <tab> offset` for each record: where its first part begins in the .rec

All numbers are little-endian uint32. A writer splits a record where the magic stands in its content at a
multiple of 4, so that a reader that has lost its place finds the next part by the magic. This file
imports errors.py, files.py and packs.py of ours, which import nothing of ours, so that any program can take
the four along.
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from sphereface_plus.data.formats.packs import FileByOffset
from sphereface_plus.errors import UserError
from sphereface_plus.files import NewFiles

MAGIC = 0xCED7230A
MAX_LENGTH = 2**29 - 1
"""Bytes in one part's content."""
_MAGIC = struct.pack("<I", MAGIC)
_HEAD = struct.Struct("<II")
_WHOLE, _FIRST, _MIDDLE, _LAST = range(4)  # cflag
_LENGTH = np.uint32(MAX_LENGTH)


class RecordError(UserError):
    """A .rec or .idx that cannot be used; the message names the file and the byte offset or line."""


class RecordFile(FileByOffset):
    """A .rec that is open for reading; `number` is a record's place in the order of its keys.

    A record is read by its offset, not through a map of the file, so that a file that is cut short meanwhile
    is an error.
    """

    def __init__(self, path: str | Path, index: str | Path | None = None) -> None:
        """index: the .idx, by default the one beside the .rec; where there is none, the .rec is walked.

        Raises RecordError where a file is missing, or a record's first part lies not in the .rec.
        """
        super().__init__(path)
        index = Path(index) if index is not None else self.path.with_suffix(".idx")
        try:
            self.num_bytes = self.path.stat().st_size
            self.indexed = index.is_file()
            """Whether the keys are those of an .idx; otherwise they number the records as they lie."""
            if self.indexed:
                self.keys, self.offsets = read_index(index)
            else:
                self.offsets = walk(self.path)
                self.keys = np.arange(len(self.offsets))
            order = np.argsort(self.keys, kind="stable")
            self.keys, self.offsets = self.keys[order], self.offsets[order]
            self.cflags, self.lengths = self._heads(index)
        except OSError as error:
            raise RecordError(f"{self.path}: cannot be read ({error.strerror})") from None

    def __len__(self) -> int:
        return len(self.keys)

    def read(self, number: int) -> bytes:
        """The record's content, parts joined. Raises RecordError."""
        offset, length = int(self.offsets[number]), int(self.lengths[number])
        data = self.read_at(offset, _HEAD.size + length)
        if len(data) == _HEAD.size + length and _HEAD.unpack_from(data) == (MAGIC, length):  # cflag 0
            return data[_HEAD.size :]
        return _MAGIC.join(_parts(self, offset))

    def words(self, byte: int) -> np.ndarray:
        """uint32 (N,): what stands in each record's first part, `byte` bytes into its content; 0 beyond it.

        byte: a multiple of 4. Many small values at once, such as all labels, without a read for each.
        """
        words, at = np.zeros(len(self), dtype=np.uint32), (self.offsets + _HEAD.size + byte) // 4
        inside = self.lengths >= byte + 4
        words[inside] = _mapped(self.path, self.num_bytes)[at[inside]]
        return words

    def read_at(self, offset: int, count: int) -> bytes:
        """Up to `count` bytes, fewer at the end that the file had when it was opened. Raises OSError."""
        return super().read_at(offset, min(count, max(self.num_bytes - offset, 0)))

    def _heads(self, index: Path) -> tuple[np.ndarray, np.ndarray]:
        """cflag and length of each record's first part, from all heads at once, checked."""
        if not len(self):
            raise RecordError(f"{self.path}: holds no record")
        outside = (self.offsets % 4 != 0) | (self.offsets < 0) | (self.offsets > self.num_bytes - _HEAD.size)
        if outside.any():
            number = int(np.argmax(outside))
            raise RecordError(
                f"{index}: key {self.keys[number]} is said to begin at byte {self.offsets[number]}, where "
                f"{self.path.name} of {self.num_bytes:,} bytes has none; "
                "give this .rec's own .idx, or remove it"
            )
        words, at = _mapped(self.path, self.num_bytes), self.offsets // 4
        magic, head = words[at], words[at + 1]
        cflags, lengths = (head >> np.uint32(29)).astype(np.uint8), (head & _LENGTH).astype(np.int64)
        wrong = (magic != MAGIC) | (cflags > _FIRST) | (lengths > self.num_bytes - _HEAD.size - self.offsets)
        if wrong.any():
            offset = int(self.offsets[np.argmax(wrong)])
            _checked(self.path, offset, self.read_at(offset, _HEAD.size), self.num_bytes, inside=False)
        # A small .idx must not make a large set of a record that it names again and again.
        order = np.argsort(self.offsets, kind="stable")
        begin, end = self.offsets[order], (self.offsets + _HEAD.size + lengths)[order]
        overlapping = np.flatnonzero(begin[1:] < end[:-1])
        if len(overlapping):
            first, second = self.keys[order[overlapping[0]]], self.keys[order[overlapping[0] + 1]]
            raise RecordError(
                f"{index}: the records {first} and {second} share bytes of {self.path.name}; remove the "
                ".idx, then the .rec is read without it"
            )
        return cflags, lengths


def read_index(path: str | Path) -> tuple[np.ndarray, np.ndarray]:
    """Keys int64 (N,) and offsets int64 (N,) of an .idx, in its order. Raises RecordError."""
    path = Path(path)
    keys, offsets = [], []
    for number, line in enumerate(path.read_bytes().splitlines(), start=1):
        key, _, offset = line.partition(b"\t")
        if not (key.isdigit() and offset.isdigit() and len(line) < 38):  # 18 digits each fit into int64
            shown = line[:60].decode(errors="replace")
            raise RecordError(f"{path}, line {number}: expected `key <tab> offset`, got {shown!r}")
        keys.append(int(key))
        offsets.append(int(offset))
    try:
        found = np.array(keys, dtype=np.int64), np.array(offsets, dtype=np.int64)
    except OverflowError:
        raise RecordError(f"{path}: holds a number above 2^63, which no file reaches") from None
    if len(np.unique(found[0])) < len(keys):
        raise RecordError(f"{path}: holds a key twice; remove the .idx, then the .rec is read without it")
    return found


def walk(path: Path) -> np.ndarray:
    """Offsets int64 (N,) at which the records of a .rec begin, from part to part. Raises RecordError."""
    offsets, at, num_bytes = [], 0, path.stat().st_size
    with path.open("rb", buffering=2**16) as file:
        inside = False  # a record of several parts
        while at < num_bytes:
            file.seek(at)
            cflag, length = _checked(path, at, file.read(_HEAD.size), num_bytes, inside)
            if not inside:
                offsets.append(at)
            inside = cflag in (_FIRST, _MIDDLE)
            at += _HEAD.size + length + -length % 4
    if inside:
        raise RecordError(f"{path}, byte {num_bytes}: the file ends within a record of several parts")
    return np.array(offsets, dtype=np.int64)


def _parts(file: RecordFile, offset: int) -> Iterator[bytes]:
    """The contents of the parts of the record that begins at `offset`. Raises RecordError."""
    inside = False
    while True:
        cflag, length = _checked(file.path, offset, file.read_at(offset, _HEAD.size), file.num_bytes, inside)
        content = file.read_at(offset + _HEAD.size, length)
        if len(content) < length:
            raise RecordError(f"{file.path}, byte {offset}: the file has become shorter than it was")
        yield content
        if cflag in (_WHOLE, _LAST):
            return
        inside = True
        offset += _HEAD.size + length + -length % 4


def _checked(path: Path, offset: int, head: bytes, num_bytes: int, inside: bool) -> tuple[int, int]:
    """cflag and length of the part at `offset`; inside: it goes on with a record. Raises RecordError."""
    if len(head) < _HEAD.size:
        raise RecordError(f"{path}, byte {offset}: the file ends within a record; it was cut short")
    magic, word = _HEAD.unpack(head)
    if magic != MAGIC:
        raise RecordError(
            f"{path}, byte {offset}: expected a record's magic 0x{MAGIC:08x}, got 0x{magic:08x}; "
            "the file is not a .rec, or is damaged"
        )
    cflag, length = word >> 29, word & MAX_LENGTH
    if cflag not in ((_MIDDLE, _LAST) if inside else (_WHOLE, _FIRST)):
        where = "within" if inside else "at the begin of"
        raise RecordError(f"{path}, byte {offset}: a part of kind {cflag} cannot stand {where} a record")
    if length > num_bytes - offset - _HEAD.size:
        raise RecordError(
            f"{path}, byte {offset}: a part of {length:,} bytes is announced and "
            f"{num_bytes - offset - _HEAD.size:,} follow; the file was cut short"
        )
    return cflag, length


def _mapped(path: Path, num_bytes: int) -> np.ndarray:
    """The file's whole uint32 words, mapped into memory."""
    words = np.memmap(path, dtype="<u4", mode="r", shape=(num_bytes // 4,))
    if hasattr(mmap, "MADV_RANDOM"):
        words._mmap.madvise(mmap.MADV_RANDOM)  # type: ignore[attr-defined]  # a head here and there
    return np.asarray(words)


class RecordWriter(NewFiles):
    """Writes a .rec and its .idx, and what else it opens, as NewFiles: together and whole, or not at all."""

    def __init__(self, path: str | Path) -> None:
        super().__init__(large=True)
        self.path = Path(path)
        self.index = self.path.with_suffix(".idx")
        self.num_bytes = 0
        """Of the .rec up to now: where the next record begins."""

    def __enter__(self) -> RecordWriter:
        self._records = self.open(self.path)
        # An .idx must not lie beside another .rec than its own, which is read without one.
        self._index = self.open(self.index, remove_first=True)
        return self

    def write(self, key: int, content: bytes) -> None:
        """Appends a record. Raises RecordError for one that is too long for the format."""
        if len(content) > MAX_LENGTH:
            raise RecordError(
                f"{self.path}: record {key} has {len(content):,} bytes, at most {MAX_LENGTH:,} fit"
            )
        self._index.write(b"%d\t%d\n" % (key, self.num_bytes))
        parts = split(content)
        for number, part in enumerate(parts):
            cflag = _WHOLE if len(parts) == 1 else _FIRST if number == 0 else _MIDDLE
            if 0 < number == len(parts) - 1:
                cflag = _LAST
            self._records.write(_HEAD.pack(MAGIC, cflag << 29 | len(part)) + part + bytes(-len(part) % 4))
            self.num_bytes += _HEAD.size + len(part) + -len(part) % 4


def split(content: bytes) -> list[bytes]:
    """The content without the magics at multiples of 4, cut there: joined by the magic it is the content."""
    parts, start, at = [], 0, content.find(_MAGIC)
    while at >= 0:
        if at % 4 == 0:
            parts.append(content[start:at])
            start = at + 4
        at = content.find(_MAGIC, at + 4 if at % 4 == 0 else at + 1)
    return [*parts, content[start:]]
