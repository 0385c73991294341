"""Rows of a checkpoint as they lie in the files of processes (held_rows.py), and reading some of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError
from safetensors import SafetensorError, safe_open
from torch import Tensor

from sphereface_plus.errors import memory_is_short
from sphereface_plus.held_rows import DTYPES, FILE, KEY, Index, ShareFile, name_of
from sphereface_plus.model_files import CheckpointError, DamagedError, sha256


class DamagedShareError(DamagedError):
    """A checkpoint of whose rows some are missing; the reason says which, without the checkpoint's name."""

    def __init__(self, checkpoint: Path, reason: str) -> None:
        super().__init__(f"{checkpoint}: {reason}")
        self.reason = reason


class StoredRows:
    """A tensor with a row for each of C classes that lies in files: `stored[first:end]` reads these rows."""

    def __init__(self, name: str, shape: Sequence[int], dtype: torch.dtype, files: Mapping[Path, ShareFile]):
        self._name, self.shape, self.dtype, self._files = name, torch.Size(shape), dtype, files

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, wanted: slice) -> Tensor:
        """A new tensor on the CPU. Raises CheckpointError."""
        first, end, _ = wanted.indices(len(self))
        rows = torch.empty(max(0, end - first), *self.shape[1:], dtype=self.dtype)
        for path, file in self._files.items():
            start, stop = max(first, file.first), min(end, file.end)
            if start < stop:
                with _opened(path, path) as share:
                    there = share.get_slice(self._name)[start - file.first : stop - file.first]
                rows[start - first : stop - first] = there
        return rows


def stored_in(checkpoint: Path, payload: dict[str, Any]) -> None:
    """Puts StoredRows where a payload says that rows lie in files, whose sizes and headers it looks at.

    Raises CheckpointError, and DamagedShareError for a file that is missing or another.
    """
    index = _index_of(checkpoint, payload)
    files = {checkpoint.with_name(file.name): file for file in index.files}
    for path, file in files.items():
        _check_size(checkpoint, path, file)
    for rows in index.tensors:
        name, dtype = name_of(rows.place), DTYPES.get(rows.dtype)
        if dtype is None or not rows.shape:
            raise CheckpointError(f"{checkpoint}: holds rows of {rows.dtype}, which this version cannot read")
        for path, file in files.items():
            with _opened(checkpoint, path) as share:
                found = share.get_slice(name) if name in share.keys() else None  # noqa: SIM118
                expected = [file.end - file.first, *rows.shape[1:]]
                if found is None or (found.get_dtype(), found.get_shape()) != (rows.dtype, expected):
                    raise DamagedShareError(checkpoint, f"its share {path.name} is of another checkpoint")
        _put(checkpoint, payload, rows.place, StoredRows(name, rows.shape, dtype, files))


def wrong_bytes(checkpoint: Path, payload: Mapping[str, Any], *, rank: int = 0, of: int = 1) -> list[bool]:
    """Of each file that a payload names, whether it holds other bytes. Each of several processes reads every
    `of`-th file. Raises CheckpointError where one cannot be read."""
    files = _index_of(checkpoint, payload).files
    wrong = [False] * len(files)
    for number in range(rank, len(files), of):
        path = checkpoint.with_name(files[number].name)
        try:
            wrong[number] = sha256(path) != files[number].sha256
        except OSError as error:
            raise _unreadable(path, error) from None
    return wrong


def check_bytes(checkpoint: Path, payload: Mapping[str, Any], wrong: Sequence[bool]) -> None:
    """wrong: as wrong_bytes gives it. Raises DamagedShareError for the first one that is."""
    for file, is_wrong in zip(_index_of(checkpoint, payload).files, wrong, strict=True):
        if is_wrong:
            raise DamagedShareError(
                checkpoint, f"its share {file.name} is damaged, or another file of that size"
            )


def read_all(payload: Any) -> Any:
    """Nested dicts with tensors in the place of StoredRows. Raises CheckpointError."""
    if isinstance(payload, StoredRows):
        return payload[:]
    if isinstance(payload, dict):
        return {key: read_all(value) for key, value in payload.items()}
    return payload


def _index_of(checkpoint: Path, payload: Mapping[str, Any]) -> Index:
    """Raises CheckpointError where it is not what with_index makes."""
    try:
        index = Index.model_validate(payload.get(KEY))
    except ValidationError as error:
        reason = error.errors()[0]["msg"]
        raise CheckpointError(f"{checkpoint}: does not say in which files its rows lie ({reason})") from None
    borders = [0, *(file.end for file in index.files)]
    names = [FILE.fullmatch(file.name) for file in index.files]
    follow = all(file.first == begin < file.end for file, begin in zip(index.files, borders, strict=False))
    if not (index.files and all(names) and follow) or any(
        not rows.place or rows.shape[:1] != borders[-1:] or min(rows.shape) < 0 for rows in index.tensors
    ):
        raise CheckpointError(f"{checkpoint}: names files that cannot hold its rows")
    return index


def _check_size(checkpoint: Path, path: Path, file: ShareFile) -> None:
    try:
        size = path.stat().st_size
    except FileNotFoundError:
        raise DamagedShareError(
            checkpoint, f"its share {path.name} is missing; put it back beside the checkpoint"
        ) from None
    except OSError as error:
        raise _unreadable(path, error) from None
    if size != file.size:
        raise DamagedShareError(
            checkpoint,
            f"its share {path.name} is cut short, or another file ({size:,} bytes, not {file.size:,})",
        )


def _opened(checkpoint: Path, path: Path) -> Any:
    try:
        return safe_open(path, framework="pt", device="cpu")
    except OSError as error:
        raise _unreadable(path, error) from None
    except (SafetensorError, RuntimeError) as error:
        reason = str(error).partition("\n")[0]
        if memory_is_short(error):
            raise CheckpointError(f"{path}: cannot be read, memory is short ({reason})") from None
        raise DamagedShareError(checkpoint, f"its share {path.name} is damaged ({reason})") from None


def _unreadable(path: Path, error: OSError) -> CheckpointError:
    """Of the disk, the network or a permission; the file may be whole."""
    return CheckpointError(f"{path}: cannot be read ({error.strerror or error})")


def _put(checkpoint: Path, payload: Any, place: Sequence[Any], value: StoredRows) -> None:
    try:
        for key in place[:-1]:
            payload = payload[key]
        if payload[place[-1]] is not None:
            raise KeyError
        payload[place[-1]] = value
    except (KeyError, TypeError, IndexError):
        raise CheckpointError(f"{checkpoint}: has no place for its rows of {name_of(place)[:200]}") from None
