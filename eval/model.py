"""From a model and crops to embeddings, each photo once, stored so that an interrupted run goes on."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sphereface_plus import checkpoint
from sphereface_plus.commands.progress import show_progress
from sphereface_plus.data.formats.embeddings import EmbeddingsError, read_embeddings, write_embeddings

from .photos import Images, find_images, fingerprint, first_three

if TYPE_CHECKING:
    from sphereface_plus.embedding import Embedder, Flip

CHUNK = 64
SAVE_EVERY_S = 30.0


def stored_embeddings(
    path: Path, keys: Sequence[str], flip: Flip, bin_file: Path | None = None
) -> tuple[np.ndarray, dict[str, Any]]:
    """Embeddings (N, D) of the keys from an .npz, and the model's record. Raises EmbeddingsError.

    flip: the protocol's; a file that states another one is refused, a file that states none is taken at its
    word.
    bin_file: the .bin that the keys are of. They are numbers, the same in each .bin, so that only the
    fingerprint of its crops tells whose embeddings these are; again a file that states none is believed.
    """
    found, embeddings, meta = read_embeddings(path)
    row_of = {key: row for row, key in enumerate(found)}
    missing = [key for key in keys if key not in row_of]
    if missing:
        raise EmbeddingsError(
            f"{path}: has no embedding of {len(missing):,} of the {len(keys):,} photos of the pairs "
            f"({first_three(missing)}); embed the crops of them all, or give the pairs that it was made for"
        )
    stated = meta.get("flip")
    if stated not in (None, flip):
        raise EmbeddingsError(
            f"{path}: holds embeddings of flip fusion {stated}, the protocol needs {flip}; "
            f"make them anew with --flip {flip} or choose another protocol"
        )
    crops = meta.get("crops")
    if bin_file is not None and crops not in (None, fingerprint(find_images(bin_file))):
        raise EmbeddingsError(
            f"{path}: its embeddings are of other crops than those of {bin_file}; give the model itself, or "
            "the .bin that they were made from"
        )
    record = {
        "name": str(path),
        "label": path.stem,
        "kind": "embeddings",
        "sha256": checkpoint.sha256(path),
        "flip": stated or f"as in the file, which does not state it; the protocol asks for {flip}",
        "input": meta.get("input"),
        "provenance": {"from model": meta["fingerprint"]} if "fingerprint" in meta else {},
    }
    return embeddings[[row_of[key] for key in keys]], record


def computed_embeddings(
    embedder: Embedder, images: Images, keys: Sequence[str], flip: Flip, store: Path
) -> np.ndarray:
    """Embeddings (N, D) of the keys' crops; `store` keeps what is done, and is taken up if it fits.

    Raises EmbeddingsError where the model gives numbers that are not finite, CropsError and SpecError for
    crops that do not serve.
    """
    from sphereface_plus.embedding import embed_files

    meta = {**embedder.meta(flip), "crops": fingerprint(images)}
    done, rows = _taken_up(store, meta)
    left = [key for key in keys if key not in done]
    saved_at = time.monotonic()
    try:
        with show_progress("crops embedded") as progress:
            progress(len(keys) - len(left), len(keys), 0)
            for start in range(0, len(left), CHUNK):
                chunk = left[start : start + CHUNK]
                embeddings = embed_files(embedder, [images.files[key] for key in chunk], flip=flip)
                rows.append(embeddings)
                done.extend(chunk)
                progress(len(keys) - len(left) + start + len(chunk), len(keys), 0)
                if time.monotonic() - saved_at > SAVE_EVERY_S:
                    write_embeddings(store, done, np.concatenate(rows), meta)
                    saved_at = time.monotonic()
    finally:  # also when interrupted: the next run takes it up
        if left and rows:
            write_embeddings(store, done, np.concatenate(rows), meta)
    row_of = {key: row for row, key in enumerate(done)}
    return np.concatenate(rows)[[row_of[key] for key in keys]]


def model_record(embedder: Embedder, model: str, flip: Flip) -> dict[str, Any]:
    """What the report says about the model."""
    from sphereface_plus.config import to_dict

    label, provenance = Path(model).stem, {}
    if embedder.kind == "checkpoint":
        payload = checkpoint.load(model)
        label = payload["config"]["name"]
        provenance = {
            "recipe": label,
            "seed": payload["config"]["seed"],
            "step": payload["step"],
            "identities": len(payload["identities"]),
            "trained in": payload["config"]["train"]["precision"],
            "on": payload.get("processes", "unknown processes"),
        }
    return {
        "name": model,
        "label": "raw pixels" if embedder.kind == "pixels" else label,
        "kind": embedder.kind,
        "sha256": embedder.fingerprint,
        "flip": flip,
        "input": to_dict(embedder.input),
        "provenance": provenance,
    }


def _taken_up(store: Path, meta: dict[str, Any]) -> tuple[list[str], list[np.ndarray]]:
    """Keys and embeddings of an earlier run, if it was of the same model, fusion and crops."""
    if not store.is_file():
        return [], []
    try:
        keys, embeddings, stored = read_embeddings(store)
    except EmbeddingsError:  # cut short by what interrupted that run
        return [], []
    return (keys, [embeddings]) if stored == meta else ([], [])
