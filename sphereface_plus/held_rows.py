"""Rows that several processes hold apart, in a file of each beside the checkpoint that names them.

    last.pt                                          what all processes have alike, and who holds which rows
    last.share_1_of_2.0f3c52d81b9e6a47.safetensors   rows 0 to C / 2 of prototypes, momentum, ...
    last.share_2_of_2.91aa04c7e2d35f68.safetensors   the others

No process needs another one's rows to write, nor to read. A file is named by its bytes, so that a new one
never takes the place of one that a checkpoint names, and all lie there before the checkpoint does. torch's
own way, torch.distributed.checkpoint, reads its index with pickle, which executes what it reads; safetensors
executes nothing.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from pydantic import BaseModel
from torch import Tensor

from sphereface_plus.files import new_file

KEY = "shares"
"""Of a checkpoint's payload: what its files hold, and where the rows belong in it (Index)."""
HEADER = "sphereface_plus_share"
"""Of a share's own header: which rows it holds."""
PIECE = 2**24
"""Bytes of a tensor that are hashed or written at one time."""

DTYPES = {"F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}
_NAMES = {dtype: name for name, dtype in DTYPES.items()}
FILE = re.compile(r"([\w.-]+)\.share_[0-9]+_of_[0-9]+\.[0-9a-f]{16}\.safetensors")


@dataclass(frozen=True)
class HeldRows:
    """In a payload that is to be saved: the rows (n, ...) of consecutive ones of C classes; other processes
    hold the others."""

    rows: Tensor
    first: int
    num_classes: int
    """C"""

    def numel(self) -> int:
        """Of the rows of all classes."""
        return self.num_classes * self.rows[0].numel()

    def element_size(self) -> int:
        return self.rows.element_size()


class ShareFile(BaseModel, strict=True, frozen=True):
    """One process's file, as the checkpoint names it."""

    name: str
    first: int
    """Class of its first row."""
    end: int
    """One past that of its last row."""
    size: int
    """Bytes."""
    sha256: str


class IndexedRows(BaseModel, strict=True):
    """A tensor whose rows are in the files, each of which has them under the place's names joined by dots."""

    place: list[str | int]
    """Keys of the payload, from the outermost on."""
    shape: list[int]
    """Of all rows."""
    dtype: str


class Index(BaseModel, strict=True):
    files: list[ShareFile]
    tensors: list[IndexedRows]


def held_in(
    payload: Mapping[Any, Any], place: tuple[Any, ...] = ()
) -> Iterator[tuple[tuple[Any, ...], HeldRows]]:
    """The rows that a payload holds apart, and the keys that lead to them."""
    for key, value in payload.items():
        if isinstance(value, HeldRows):
            yield (*place, key), value
        elif isinstance(value, dict):
            yield from held_in(value, (*place, key))


def write_share(checkpoint: Path, held: Mapping[tuple[Any, ...], HeldRows], rank: int, of: int) -> ShareFile:
    """Writes this process's rows beside a checkpoint. Raises WriteError."""
    first, end = next((one.first, one.first + len(one.rows)) for one in held.values())
    header = _header({name_of(place): one.rows for place, one in held.items()}, f"{first}:{end}")
    digest = hashlib.sha256(header)
    for piece in _bytes_of(held):
        digest.update(piece)
    name = f"{checkpoint.stem}.share_{rank + 1}_of_{of}.{digest.hexdigest()[:16]}.safetensors"
    size = len(header)
    with new_file(checkpoint.with_name(name), large=True) as file:
        file.write(header)
        for piece in _bytes_of(held):
            size += file.write(piece)
    return ShareFile(name=name, first=first, end=end, size=size, sha256=digest.hexdigest())


def with_index(
    payload: dict[str, Any], held: Mapping[tuple[Any, ...], HeldRows], files: Sequence[ShareFile]
) -> dict[str, Any]:
    """The payload as plain data: in the place of the rows it says in which files they lie."""
    tensors = [
        IndexedRows(
            place=list(place), shape=[one.num_classes, *one.rows.shape[1:]], dtype=_NAMES[one.rows.dtype]
        ).model_dump()
        for place, one in held.items()
    ]
    index = {"files": [file.model_dump() for file in files], "tensors": tensors}
    return _without_rows(payload) | {KEY: index}


def names_in(payload: Mapping[str, Any]) -> set[str]:
    """Of the files that a payload names."""
    return {file["name"] for file in payload[KEY]["files"]} if KEY in payload else set()


def remove_old(folder: Path, kept: set[str], *, of: Sequence[Path], orphans: bool) -> None:
    """Removes files that no checkpoint names any more.

    kept: names that stay, those in the checkpoints `of`, with which others were written before.
    orphans: those of checkpoints that are not there, too; only where `kept` are the last checkpoint's, as
        that may name another one's files. What a damaged checkpoint names that was put aside stays.
    """
    stems = {path.stem for path in of}
    for file in folder.glob("*.share_*.safetensors"):
        named = FILE.fullmatch(file.name)
        if named is None or file.name in kept or (folder / f"{named[1]}.pt.damaged").exists():
            continue
        if named[1] in stems or (orphans and not (folder / f"{named[1]}.pt").exists()):
            file.unlink(missing_ok=True)


def name_of(place: Sequence[Any]) -> str:
    return ".".join(map(str, place))


def _header(tensors: Mapping[str, Tensor], rows: str) -> bytes:
    """That of a safetensors file: its length in 8 bytes, and JSON, to a multiple of 8 bytes."""
    entries: dict[str, Any] = {"__metadata__": {HEADER: rows}}
    start = 0
    for name, tensor in tensors.items():
        end = start + tensor.numel() * tensor.element_size()
        entries[name] = {
            "dtype": _NAMES[tensor.dtype],
            "shape": list(tensor.shape),
            "data_offsets": [start, end],
        }
        start = end
    said = json.dumps(entries).encode()
    said += b" " * (-len(said) % 8)
    return len(said).to_bytes(8, "little") + said


def _bytes_of(held: Mapping[tuple[Any, ...], HeldRows]) -> Iterator[memoryview]:
    """Of all rows in turn, some at one time, as those of a GPU are copied for it."""
    for one in held.values():
        rows = one.rows.detach()
        at_once = max(1, PIECE // max(1, rows[0].numel() * rows.element_size()))
        for piece in rows.split(at_once):
            yield piece.cpu().contiguous().flatten().view(torch.uint8).numpy().data


def _without_rows(payload: Any) -> Any:
    if isinstance(payload, HeldRows):
        return None
    if isinstance(payload, dict):
        return {key: _without_rows(value) for key, value in payload.items()}
    return payload
