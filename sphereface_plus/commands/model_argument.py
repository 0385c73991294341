"""MODEL as commands take it: opened once, a record of what it is, and its embeddings with a progress bar."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from sphereface_plus.commands.progress import show_progress
from sphereface_plus.config import load_input_spec, to_dict
from sphereface_plus.data.formats.packs import CropSource
from sphereface_plus.embedding import Embedder, Flip, embed_files

CHUNK = 64
"""Crops in one go."""


def open_model(model: str | Path, input_file: Path | None = None, device: str = "auto") -> Embedder:
    """A run folder, a checkpoint, a weight file, a folder of the Hub, an ONNX file, or the word pixels.

    input_file: the input spec of pixels, or of an ONNX file with none beside it.
    device: auto (CUDA where there is one), cpu or cuda.
    Raises what Embedder.load raises, and ConfigError for a spec that cannot be read.
    """
    spec = load_input_spec(input_file) if input_file is not None else None
    return Embedder.load(model, input=spec, device=device)


def model_record(embedder: Embedder, model: str, flip: Flip) -> dict[str, Any]:
    """What a report says about the model that embedded with this flip fusion; plain data."""
    labels = {"pixels": "raw pixels", "checkpoint": embedder.provenance.get("recipe")}
    return {
        "name": model,
        "label": labels.get(embedder.kind) or Path(model).stem,
        "kind": embedder.kind,
        "sha256": embedder.fingerprint,
        "flip": flip,
        "input": to_dict(embedder.input),
        "provenance": dict(embedder.provenance),
    }


def embed_in_chunks(
    embedder: Embedder,
    crops: Sequence[CropSource],
    flip: Flip = "none",
    *,
    done: int = 0,
    batch_size: int = CHUNK,
) -> Iterator[np.ndarray]:
    """The crops' embeddings (n, D) in their order, n up to batch_size at a time, with a progress bar.

    done: how many more are embedded already, for the bar. Raises what embed_files raises.
    """
    total = done + len(crops)
    with show_progress("crops embedded") as progress:
        progress(done, total, 0)
        for start in range(0, len(crops), batch_size):
            chunk = crops[start : start + batch_size]
            yield embed_files(embedder, chunk, flip=flip, batch_size=batch_size)
            progress(done + start + len(chunk), total, 0)
