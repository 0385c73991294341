"""Embeddings on disk: an `.npz` with the photo keys, the embeddings and where they come from."""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np


class EmbeddingsError(ValueError):
    """A file of embeddings that cannot be used; the message names it and says what is wrong."""


def write_embeddings(
    path: str | Path, keys: Sequence[str], embeddings: np.ndarray, meta: dict[str, Any]
) -> None:
    """Writes keys (N,), embeddings (N, D) and meta (plain data: model, input spec, flip), atomically."""
    path = Path(path)
    _check(path, keys, embeddings)
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        with temporary.open("wb") as file:
            np.savez(
                file,
                keys=np.array(keys, dtype=np.str_),
                embeddings=embeddings,
                meta=np.array(json.dumps(meta)),
            )
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def read_embeddings(path: str | Path) -> tuple[list[str], np.ndarray, dict[str, Any]]:
    """Keys (N), embeddings (N, D) and meta ({} where the file has none). Raises EmbeddingsError."""
    path = Path(path)
    try:
        with np.load(path, allow_pickle=False) as arrays:
            if not isinstance(arrays, np.lib.npyio.NpzFile) or not {"keys", "embeddings"} <= set(
                arrays.files
            ):
                raise EmbeddingsError(f"{path}: expected arrays `keys` and `embeddings`, got {arrays.files}")
            keys, embeddings = arrays["keys"].tolist(), arrays["embeddings"]
            meta = json.loads(str(arrays["meta"])) if "meta" in arrays.files else {}
    except EmbeddingsError:
        raise
    except (OSError, EOFError, ValueError, TypeError, AttributeError, zipfile.BadZipFile) as error:
        raise EmbeddingsError(f"{path}: is no readable .npz of embeddings ({error})") from None
    _check(path, keys, embeddings)
    return keys, embeddings, meta


def _check(path: Path, keys: Sequence[str], embeddings: np.ndarray) -> None:
    if embeddings.ndim != 2 or len(keys) != len(embeddings):
        raise EmbeddingsError(
            f"{path}: {len(keys)} keys need embeddings ({len(keys)}, D), got {embeddings.shape}"
        )
    if len(set(keys)) != len(keys):
        raise EmbeddingsError(f"{path}: {len(keys) - len(set(keys))} of the keys occur twice")
    if not np.isfinite(embeddings).all():
        raise EmbeddingsError(f"{path}: some embeddings are not finite")
