"""Embeddings on disk: an `.npz` with photo keys, embeddings, and what they were made with and how.

This file is a format: it imports nothing of ours but files.py, which imports nothing, so that any program can
take the two along.
"""

from __future__ import annotations

import json
import zipfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from sphereface_plus.errors import UserError
from sphereface_plus.files import new_file
from sphereface_plus.words import a_kind

_MOST_INFLATED, _MOST_RATIO = 2**24, 20
"""What a compressed file may become: embeddings hardly shrink, and keys to a twentieth at most."""


class EmbeddingsError(UserError):
    """Embeddings that cannot be used; the message names the file and says what is wrong."""


def write_embeddings(
    path: str | Path, keys: Sequence[str], embeddings: np.ndarray, meta: dict[str, Any]
) -> None:
    """Writes keys (N,), embeddings (N, D) and meta, plain data; the file appears whole or not at all."""
    path = Path(path)
    _check(path, keys, embeddings)
    with new_file(path, large=True) as file:
        np.savez(file, keys=np.array(keys, dtype=str), embeddings=embeddings, meta=np.array(json.dumps(meta)))


def read_embeddings(path: str | Path) -> tuple[list[str], np.ndarray, dict[str, Any]]:
    """Keys (N), embeddings (N, D) and meta, {} where other programs left it out. Raises EmbeddingsError."""
    path = Path(path)
    try:
        with zipfile.ZipFile(path) as archive:
            names = {name.removesuffix(".npy") for name in archive.namelist()}
            claimed = sum(member.file_size for member in archive.infolist())
        if claimed > _MOST_INFLATED + _MOST_RATIO * path.stat().st_size:
            raise ValueError(f"it claims {claimed:,} bytes in a file of {path.stat().st_size:,}")
        if not {"keys", "embeddings"} <= names:
            raise ValueError(f"it needs arrays `keys` and `embeddings` and has {sorted(names)}")
        with np.load(path, allow_pickle=False) as arrays:
            stored, embeddings = np.asarray(arrays["keys"]), np.asarray(arrays["embeddings"])
            # Texts of length 0 take no bytes, so that a small file could announce any number of them.
            if stored.ndim != 1 or not stored.itemsize:
                raise ValueError(f"its keys are {stored.dtype} {stored.shape}, not texts (N,)")
            keys = stored.astype(str).tolist()
            meta = json.loads(str(arrays["meta"])) if "meta" in names else {}
            if not isinstance(meta, dict):
                raise ValueError(f"its meta is {a_kind(meta)}, not a JSON object")
    except MemoryError:
        raise EmbeddingsError(
            f"{path}: cannot be read, memory is short for these embeddings, which may be good ones, or claim "
            "to be more than they are"
        ) from None
    except zipfile.BadZipFile:
        raise EmbeddingsError(
            f"{path}: cannot be read as an .npz of embeddings (it is none, was cut off or is "
            "damaged; copy it or make it again)"
        ) from None
    except Exception as error:  # zipfile, zlib and numpy answer damaged bytes with any exception there is
        reason = " ".join(str(error).split())[:300] or type(error).__name__
        raise EmbeddingsError(f"{path}: cannot be read as an .npz of embeddings ({reason})") from None
    _check(path, keys, embeddings)
    return keys, embeddings, meta


def _check(path: Path, keys: Sequence[str], embeddings: np.ndarray) -> None:
    if embeddings.ndim != 2 or len(keys) != len(embeddings):
        raise EmbeddingsError(
            f"{path}: {len(keys)} keys need embeddings ({len(keys)}, D), got {embeddings.shape}"
        )
    if len(set(keys)) < len(keys):
        twice = [key[:100] for key, count in Counter(keys).items() if count > 1]
        shown = ", ".join([*twice[:3], *(["..."] if len(twice) > 3 else [])])
        raise EmbeddingsError(f"{path}: keys must differ, {len(twice):,} of them are repeated ({shown})")
    if not np.issubdtype(embeddings.dtype, np.floating):
        raise EmbeddingsError(
            f"{path}: embeddings must be finite floating-point numbers, they are {embeddings.dtype}"
        )
    if not np.isfinite(embeddings).all():
        bad = [keys[row] for row in np.flatnonzero(~np.isfinite(embeddings).all(axis=1)).tolist()]
        shown = ", ".join([*(key[:100] for key in bad[:3]), *(["..."] if len(bad) > 3 else [])])
        raise EmbeddingsError(
            f"{path}: embeddings must be finite floating-point numbers, and {len(bad):,} of {len(keys):,} "
            f"are not ({shown})"
        )
    if embeddings.size and max(embeddings.max(), -embeddings.min()) > np.finfo(np.float32).max:
        raise EmbeddingsError(
            f"{path}: embeddings must be in float32's range; of larger ones no cosine is finite"
        )
