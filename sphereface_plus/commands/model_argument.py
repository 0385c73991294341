"""MODEL as commands take it: opened once, a record of what it is, and its embeddings with a progress bar."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from sphereface_plus.commands.progress import show_progress
from sphereface_plus.config import load_input_spec, to_dict
from sphereface_plus.data.formats.packs import CropSource
from sphereface_plus.embedding import Embedder, Flip, embed_files
from sphereface_plus.precision import fastest, that_all_have
from sphereface_plus.processes import Processes

Precision = Literal["fp32", "auto"]


def open_model(
    model: str | Path,
    input_file: Path | None = None,
    device: str = "auto",
    precision: Precision = "fp32",
    processes: Processes | None = None,
) -> Embedder:
    """A run folder, a checkpoint, a weight file, a folder of the Hub, an ONNX file, or the word pixels.

    input_file: the input spec of pixels, or of an ONNX file with none beside it.
    device: auto (CUDA where there is one), cpu or cuda.
    precision: auto takes what is fast on the device, and in all processes; ONNX files and pixels stay as
    they are.
    Raises what Embedder.load raises, and ConfigError for a spec that cannot be read.
    """
    spec = load_input_spec(input_file) if input_file is not None else None
    embedder = Embedder.load(model, input=spec, device=device)
    if precision == "fp32" or embedder.kind not in ("checkpoint", "weights"):
        return embedder
    fast = fastest(embedder.device).precision
    return replace(embedder, precision=that_all_have(fast, processes) if processes is not None else fast)


def model_record(embedder: Embedder, model: str, flip: Flip) -> dict[str, Any]:
    """What a report says about the model that embedded with this flip fusion; plain data."""
    labels = {"pixels": "raw pixels", "checkpoint": embedder.provenance.get("recipe")}
    return {
        "name": model,
        "label": labels.get(embedder.kind) or Path(model).stem,
        "kind": embedder.kind,
        "sha256": embedder.fingerprint,
        "flip": flip,
        "precision": embedder.precision,
        "input": to_dict(embedder.input),
        "provenance": dict(embedder.provenance),
    }


def embed_crops(embedder: Embedder, crops: Sequence[CropSource], flip: Flip = "none") -> np.ndarray:
    """The crops' embeddings (N, D) in their order, in memory, with a progress bar. Raises what embed_files
    raises."""
    with show_progress("crops embedded") as progress:
        progress(0, len(crops))
        return embed_files(embedder, crops, flip=flip, progress=lambda done: progress(done, len(crops)))
