"""The faces' embeddings: features that people hold, in the list's order or by name, or those of a model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sphereface_plus.data.formats.embedding_store import open_embeddings
from sphereface_plus.data.formats.ijb import Faces, IjbError
from sphereface_plus.data.formats.keys import photo_key
from sphereface_plus.data.formats.packs import CropSource
from sphereface_plus.data.trained_on import TrainedOn
from sphereface_plus.model_files import resolve, sha256

from ..model import NOT_PREPARED, ModelAsked, embed_photos, stored_record
from ..photos import first_three


@dataclass(frozen=True)
class Features:
    """Of N faces."""

    rows: np.ndarray
    """(N, D), perhaps memory-mapped."""
    model: dict[str, Any]
    """What a report says about where they are from; plain data."""
    preparation: dict[str, Any]
    runs_on: str = "cpu"
    trained_on: TrainedOn | None = None
    """None where the model does not say it."""
    files: Mapping[str, CropSource] | None = None
    """Photo key -> crop, of a model's."""


def of_file(file: Path, faces: Faces) -> Features:
    """The features of an .npy, whose rows are in the list's order, or of an .npz or a store, by name.

    Raises IjbError for features of other faces, and EmbeddingsError.
    """
    if file.suffix == ".npy":
        return Features(_of_npy(file, faces), _record(file, {}), NOT_PREPARED)
    stored = open_embeddings(file, check=True)
    row_of = {key: row for row, key in enumerate(stored.keys)}
    rows = [row_of.get(name, row_of.get(photo_key(name), -1)) for name in faces.names]
    missing = [name for name, row in zip(faces.names, rows, strict=True) if row < 0]
    if missing:
        raise IjbError(
            f"{file}: has no embedding of {len(missing):,} of the {len(faces.names):,} faces of "
            f"{faces.file.name} ({first_three(missing)})"
        )
    in_order = rows == list(range(len(stored.keys)))  # then they stay memory-mapped
    return Features(stored.rows if in_order else stored.rows[rows], _record(file, stored.meta), NOT_PREPARED)


def _of_npy(file: Path, faces: Faces) -> np.ndarray:
    try:
        rows = np.load(file, mmap_mode="r", allow_pickle=False)
    except OSError as error:
        raise IjbError(f"{file}: cannot be read ({error.strerror or error})") from None
    except (ValueError, EOFError) as error:
        raise IjbError(f"{file}: cannot be read as an .npy ({str(error)[:200]})") from None
    if not isinstance(rows, np.ndarray) or rows.ndim != 2 or not np.issubdtype(rows.dtype, np.floating):
        raise IjbError(f"{file}: has to hold floating-point numbers, a row a face")
    if len(rows) != len(faces.names) or not rows.shape[1]:
        raise IjbError(
            f"{file}: has {len(rows):,} rows of {rows.shape[1]:,} numbers for the {len(faces.names):,} faces "
            f"of {faces.file.name}; it needs a row a face, in the list's order"
        )
    return rows


def _record(file: Path, meta: dict[str, Any]) -> dict[str, Any]:
    ours = "fingerprint" in meta
    return stored_record(
        str(file),
        file.stem,
        "features",
        sha256=sha256(resolve(file)),
        flip=meta.get("flip") or "as in the features, which do not state it",
        precision=meta.get("precision", "fp32" if ours else None),
        input=meta.get("input"),
        provenance={"from model": meta["fingerprint"]} if ours else {},
    )


def of_model(model: ModelAsked, faces: Faces, images: Path, flip: Any, out: Path) -> Features:
    """The embeddings of the faces' images, each once; `out` keeps them."""
    names: Sequence[str] = [photo_key(name) for name in faces.names]
    each = list(dict.fromkeys(names))
    found = embed_photos(model, each, images, flip, out)
    rows = found.rows
    if len(each) < len(names):  # an image in several templates
        row_of = {name: row for row, name in enumerate(each)}
        rows = rows[[row_of[name] for name in names]]
    return Features(rows, found.model, found.preparation, found.runs_on, found.trained_on, found.files)
