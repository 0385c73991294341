"""From crops to embeddings: a checkpoint, an ONNX file or raw pixels behind one function, which refuses other crops.

The embedding of the mirrored crop may join (flip fusion), on raw embeddings, before any length is divided out:
    none    f(crop)                          (D,)
    sum     f(crop) + f(mirrored crop)       (D,)
    concat  [f(crop); f(mirrored crop)]      (2 D,)     SphereFace's own evaluation
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from sphereface_plus import checkpoint
from sphereface_plus.config import InputSpec, from_dict, load_input_spec, to_dict
from sphereface_plus.data.embeddings import EmbeddingsError, read_embeddings, write_embeddings
from sphereface_plus.data.faces import SpecError, check_crops, check_input, normalise, read_crop

__all__ = [
    "Embedder",
    "EmbeddingsError",
    "Flip",
    "embed_files",
    "fuse",
    "read_embeddings",
    "sidecar",
    "write_embeddings",
]

Flip = Literal["none", "sum", "concat"]


@dataclass(frozen=True)
class Embedder:
    """A function from crops to embeddings that knows what it expects and what it is."""

    kind: Literal["checkpoint", "onnx", "pixels"]
    input: InputSpec
    fingerprint: str
    """sha256 of the model's file, an ONNX file's outside weights included; "pixels" for the baseline."""
    network: Callable[[Tensor], Tensor]
    """Normalised crops float32 (B, 3, H, W) on `device` -> embeddings (B, D)."""
    device: torch.device

    @classmethod
    def load(cls, path: str | Path, *, input: InputSpec | None = None, device: str = "auto") -> Embedder:
        """The embedder of a run folder, a checkpoint, an ONNX file, or the word `pixels`: grey values, no network.

        input: the spec of an ONNX file that has no sidecar; where a model has its own spec, the two must agree.
        device: auto (CUDA where there is one), cpu or cuda.
        Raises CheckpointError, OnnxError, ConfigError or SpecError.
        """
        name = "cuda" if device != "cpu" and (device == "cuda" or torch.cuda.is_available()) else "cpu"
        where = torch.device(name)
        if str(path) == "pixels":
            return cls(
                "pixels", input or InputSpec(), "pixels", lambda crops: crops.mean(1).flatten(1), where
            )
        path = Path(path)
        return (
            _from_onnx(path, input, where) if path.suffix == ".onnx" else _from_checkpoint(path, input, where)
        )

    def embed(self, crops: np.ndarray, flip: Flip = "none") -> np.ndarray:
        """Embeddings float32 (B, D), or (B, 2 D) for flip "concat", of uint8 RGB crops (B, H, W, 3), as one batch.

        Raises SpecError for crops that are not of `input`.
        """
        batch = torch.from_numpy(np.ascontiguousarray(crops)).to(self.device)
        with torch.inference_mode():
            inputs = normalise(batch, self.input)
            embeddings = self.network(inputs).float().cpu().numpy()
            if flip == "none":
                return embeddings
            mirrored = self.network(inputs.flip(3)).float().cpu().numpy()
        return fuse(embeddings, mirrored, flip)

    __call__ = embed

    def meta(self, flip: Flip) -> dict[str, Any]:
        """What a file of embeddings says about where they come from."""
        return {
            "kind": self.kind,
            "fingerprint": self.fingerprint,
            "input": to_dict(self.input),
            "flip": flip,
        }


def fuse(embeddings: np.ndarray, mirrored: np.ndarray, flip: Flip) -> np.ndarray:
    """Flip fusion of raw embeddings (B, D) and those of the mirrored crops: (B, D), or (B, 2 D) for concat."""
    if flip == "none":
        return embeddings
    if flip == "sum":
        return embeddings + mirrored
    if flip == "concat":
        return np.concatenate([embeddings, mirrored], axis=1)
    raise ValueError(f"flip must be none, sum or concat, got {flip!r}")


def embed_files(
    embedder: Embedder,
    paths: Sequence[str | Path],
    *,
    flip: Flip = "none",
    batch_size: int = 64,
    progress: Callable[[int], None] | None = None,
) -> np.ndarray:
    """Embeddings (N, D) of crop files, read a batch at a time; progress is told how many are done.

    Raises CropsError for a crop that cannot be read, SpecError for one of another size.
    """
    parts = []
    for start in range(0, len(paths), batch_size):
        crops = []
        for path in paths[start : start + batch_size]:
            crops.append(read_crop(path))
            try:
                check_crops(None, crops[-1].shape[:2], embedder.input)
            except SpecError as error:
                raise SpecError(f"{path}: {error}") from None
        parts.append(embedder.embed(np.stack(crops), flip))
        if progress is not None:
            progress(start + len(crops))
    return np.concatenate(parts)


def sidecar(path: str | Path) -> Path:
    """Where an ONNX file's input spec lies: `<file>.yaml` beside it."""
    return Path(f"{path}.yaml")


def _from_checkpoint(path: Path, given: InputSpec | None, device: torch.device) -> Embedder:
    from sphereface_plus.networks import build_network

    file = checkpoint.resolve(path)
    payload = checkpoint.load(file)
    config = from_dict(payload["config"], origin=str(file)).network
    if given is not None:
        check_input(given, config.input, origin=str(file))
    network = build_network(config)
    network.load_state_dict(payload["network"])
    network = network.eval().requires_grad_(False).to(device, memory_format=torch.channels_last)
    return Embedder("checkpoint", config.input, checkpoint.sha256(file), network, device)


def _from_onnx(path: Path, given: InputSpec | None, device: torch.device) -> Embedder:
    from sphereface_plus.onnx_import import OnnxError, load_onnx, onnx_fingerprint

    if not path.is_file():
        raise OnnxError(f"{path}: there is no such ONNX file")
    spec = load_input_spec(sidecar(path)) if sidecar(path).is_file() else given
    if spec is None:
        raise SpecError(
            f"{path}: an ONNX file does not say what crops it expects; give --input FILE (see configs/input), "
            f"or put that file beside it as {sidecar(path).name}"
        )
    if given is not None:
        check_input(given, spec, origin=str(path))
    run = load_onnx(path, spec, device.type)

    def network(crops: Tensor) -> Tensor:
        return torch.from_numpy(run(crops.contiguous().cpu().numpy()))

    return Embedder("onnx", spec, onnx_fingerprint(path), network, device)
