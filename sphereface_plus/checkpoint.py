"""Checkpoints on disk: whole or not at all when written, plain data only when read."""

from __future__ import annotations

import hashlib
import os
import pickle
import zipfile
from pathlib import Path
from typing import Any

import torch

FORMAT = 1


class CheckpointError(ValueError):
    """A file that is no usable checkpoint; the message names it and says what to do."""


def save(path: str | Path, payload: dict[str, Any]) -> None:
    """Writes a checkpoint; whatever happens, `path` then holds the old one whole or the new one whole.

    payload: tensors and plain data (dict, list, str, numbers); else `load` refuses it. `format` is added.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(
        f".{path.name}.tmp"
    )  # in the same folder, as os.replace needs; a kill leaves one at most
    try:
        with temporary.open("wb") as file:
            torch.save({"format": FORMAT, **payload}, file)
            file.flush()
            os.fsync(file.fileno())  # else a power cut may leave the new name on an empty file
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def resolve(path: str | Path) -> Path:
    """The checkpoint file of a run folder (its last one), or the file itself. Raises CheckpointError."""
    path = Path(path)
    file = path / "checkpoints" / "last.pt" if path.is_dir() else path
    if not file.is_file():
        what = (
            "is not a run folder with checkpoints/last.pt" if path.is_dir() else "there is no such checkpoint"
        )
        raise CheckpointError(f"{path}: {what}")
    return file


def load(path: str | Path) -> dict[str, Any]:
    """The payload of a run folder's last checkpoint, or of a checkpoint file, on the CPU. Raises CheckpointError."""
    file = resolve(path)
    try:
        with zipfile.ZipFile(file) as archive:  # torch reads past flipped bits; the archive's checksums tell
            damaged = archive.testzip()
        payload = torch.load(file, map_location="cpu", weights_only=True) if damaged is None else None
    except pickle.UnpicklingError:
        raise CheckpointError(
            f"{file}: holds more than tensors and plain data, and loading that could run its code; refused"
        ) from None
    except (zipfile.BadZipFile, RuntimeError, EOFError, OSError) as error:
        raise CheckpointError(f"{file}: is cut short, damaged or no checkpoint ({_short(error)})") from None
    if damaged is not None:
        raise CheckpointError(
            f"{file}: is damaged ({damaged} does not match its checksum); take an earlier one"
        )
    if not isinstance(payload, dict) or "format" not in payload:
        raise CheckpointError(f"{file}: is a torch file, but no checkpoint of sphereface_plus")
    if payload["format"] != FORMAT:
        raise CheckpointError(
            f"{file}: has checkpoint format {payload['format']}, this version reads {FORMAT}; update sphereface_plus"
        )
    return payload


def sha256(path: str | Path) -> str:
    """Hash of a file's bytes, in hexadecimal, as `sha256sum` prints it."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _short(error: BaseException) -> str:
    return str(error).partition("\n")[0][:120]
