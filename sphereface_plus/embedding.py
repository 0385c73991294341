"""From crops to embeddings: a checkpoint, an ONNX file or raw pixels as one function, which refuses other
crops.

The embedding of the mirrored crop may join (flip fusion). Raw embeddings are fused, no length divided out
before:
    none     f(crop)                        (D,)
    sum      f(crop) + f(mirrored crop)     (D,)
    concat   [f(crop); f(mirrored crop)]    (2D,)    as SphereFace's own evaluation does
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, overload

import numpy as np
import torch
from torch import Tensor, nn

from sphereface_plus import weights
from sphereface_plus.config import InputSpec, NetworkConfig, OnnxInputSpec, load_input_spec, to_dict
from sphereface_plus.data.crops import SpecError, check_crops, check_input, normalise, read_ahead
from sphereface_plus.data.formats.embeddings import EmbeddingsError, read_embeddings, write_embeddings
from sphereface_plus.data.formats.keys import IMAGE_SUFFIXES, photo_key
from sphereface_plus.data.formats.packs import CropSource
from sphereface_plus.data.trained_on import TrainedOn
from sphereface_plus.errors import UserError
from sphereface_plus.model_files import CheckpointError, resolve
from sphereface_plus.precision import DTYPES
from sphereface_plus.processes import use_whole_fp32

__all__ = [
    "Embedder",
    "EmbeddingsError",
    "Flip",
    "embed_files",
    "fuse",
    "load_network",
    "network_of",
    "read_embeddings",
    "sidecar",
    "write_embeddings",
]

Flip = Literal["none", "sum", "concat"]


@dataclass(frozen=True)
class Embedder:
    """A function from crops to embeddings that knows what it expects and what it is."""

    kind: Literal["checkpoint", "weights", "onnx", "pixels"]
    input: InputSpec
    fingerprint: str
    """sha256 of the model's file and, for ONNX, of its weight files; `pixels` for the baseline."""
    network: Callable[[Tensor], Tensor]
    """Normalised crops float32 (B, 3, H, W) on `device` -> embeddings (B, D)."""
    device: torch.device
    name: str = "the model"
    """What it was loaded from, for messages."""
    runs_on: str = "cpu"
    """cpu or cuda: where the network computes, which for an ONNX file need not be `device`."""
    trained_on: TrainedOn | None = None
    """None where the model does not say it."""
    provenance: Mapping[str, Any] = field(default_factory=dict)
    """Recipe, seed, step, license and the like, as far as the model says them (weights.provenance)."""
    precision: str = "fp32"
    """Or bf16 or fp16, in which a checkpoint's or a weight file's network runs under autocast."""

    @classmethod
    def load(cls, path: str | Path, *, input: InputSpec | None = None, device: str = "auto") -> Embedder:
        """The embedder of a run folder, a checkpoint, a weight file, a folder of the Hub or an ONNX file; of
        the word `pixels`, the grey values.

        input: the spec of an ONNX file without a sidecar, or of `pixels`. Given for a model that has its own,
        the two must be the same.
        device: auto (CUDA where there is one), cpu or cuda.
        Raises CheckpointError, OnnxError, ConfigError or SpecError, UserError for cuda where there is none.
        """
        if not isinstance(path, str | Path):
            raise CheckpointError(f"expected the name of one model, got {type(path).__name__}")
        if device not in ("auto", "cpu", "cuda"):
            raise ValueError(f"device must be auto, cpu or cuda, got {device!r}")
        path = Path(path)
        if path.suffix == ".onnx":
            return _from_onnx(path, input, device)
        if isinstance(input, OnnxInputSpec):
            raise SpecError(f"{path}: has one output; `output` in an input spec is for ONNX files")
        if device == "auto":
            device = "cuda" if torch.cuda.is_available() else "cpu"
        elif device == "cuda" and not torch.cuda.is_available():
            raise UserError("device cuda: torch finds no CUDA device here; take auto or cpu")
        if str(path) == "pixels":
            return cls(
                "pixels", input or InputSpec(), "pixels", _grey_values, torch.device(device), "pixels", device
            )
        return _from_checkpoint(path, input, torch.device(device))

    def embed(self, crops: np.ndarray, flip: Flip = "none") -> np.ndarray:
        """Embeddings float32 (B, D), (B, 2D) for concat, of uint8 RGB crops (B, H, W, 3), run as one batch.

        Raises SpecError for crops of another size.
        """
        batch = normalise(torch.from_numpy(np.ascontiguousarray(crops)).to(self.device), self.input)
        short = torch.autocast(self.device.type, DTYPES[self.precision], enabled=self.precision != "fp32")
        with torch.inference_mode(), short:
            embeddings = self.network(batch).float().cpu().numpy()
            if flip == "none":
                return embeddings
            mirrored = self.network(batch.flip(3)).float().cpu().numpy()
        return fuse(embeddings, mirrored, flip)

    def embed_folder(self, images: str | Path, flip: Flip = "none") -> tuple[list[str], np.ndarray]:
        """Photo keys and embeddings (N, D), (N, 2D) for concat, of a folder of crops, a manifest, a list or
        one crop.

        Raises CropsError or ManifestError; SpecError for other crops, raw photos among them, which says how
        to make crops of them.
        """
        from sphereface_plus.data.faces import FaceCrops  # draws in pandas

        if Path(images).suffix.lower() in IMAGE_SUFFIXES and Path(images).is_file():
            return [photo_key(Path(images).name)], embed_files(self, [str(images)], flip=flip)
        crops = FaceCrops.open(images)
        check_crops(crops.template, crops.size, self.input, origin=images)
        return crops.keys, embed_files(self, crops.paths, flip=flip)

    @overload
    def __call__(
        self, crops: np.ndarray | Sequence[np.ndarray] | Sequence[str | Path], flip: Flip = "none"
    ) -> np.ndarray: ...

    @overload
    def __call__(self, crops: str | Path, flip: Flip = "none") -> tuple[list[str], np.ndarray]: ...

    def __call__(
        self,
        crops: np.ndarray | Sequence[np.ndarray] | Sequence[str | Path] | str | Path,
        flip: Flip = "none",
    ) -> np.ndarray | tuple[list[str], np.ndarray]:
        """`embed` of crops in memory, `embed_folder` of the name of a folder, of a set or of one crop. Of a
        list of crops, or of names of crops: their embeddings (B, D) in the list's order.

        Raises what these raise, SpecError for anything else.
        """
        if isinstance(crops, str | Path):
            return self.embed_folder(crops, flip)
        if isinstance(crops, np.ndarray | Tensor):
            return self.embed(np.asarray(crops), flip)
        parts: list[Any] = list(crops) if isinstance(crops, list | tuple) else []
        if parts and all(isinstance(part, str | Path) for part in parts):
            return embed_files(self, [str(part) for part in parts], flip=flip)
        shapes = {getattr(part, "shape", None) for part in parts}
        if len(shapes) == 1 and None not in shapes:
            return self.embed(np.stack(parts), flip)
        raise SpecError(
            f"expected crops uint8 RGB (B, {self.input.height}, {self.input.width}, 3), the name of their "
            f"folder, or a list of names of crops, got {_what(crops)}"
        )

    def meta(self, flip: Flip) -> dict[str, Any]:
        """What a file of embeddings says about them; the precision where it is not fp32."""
        said = {
            "kind": self.kind,
            "fingerprint": self.fingerprint,
            "input": to_dict(self.input),
            "flip": flip,
        }
        return said if self.precision == "fp32" else {**said, "precision": self.precision}


def fuse(embeddings: np.ndarray, mirrored: np.ndarray, flip: Flip) -> np.ndarray:
    """Flip fusion of embeddings (B, D) and those of the mirrored crops (B, D): (B, D), (B, 2D) for concat."""
    if flip == "none":
        return embeddings
    if flip == "sum":
        return embeddings + mirrored
    if flip == "concat":
        return np.concatenate([embeddings, mirrored], axis=1)
    raise ValueError(f"flip must be none, sum or concat, got {flip!r}")


def embed_files(
    embedder: Embedder,
    paths: Sequence[CropSource],
    *,
    flip: Flip = "none",
    batch_size: int = 64,
    progress: Callable[[int], object] | None = None,
) -> np.ndarray:
    """Embeddings (N, D), (N, 2D) for concat, of crop files; progress is told how many are done.

    Raises CropsError for a crop that cannot be read, SpecError for one of another size, EmbeddingsError where
    the model gives numbers that are not finite.
    """
    parts, done = [], 0
    for crops in read_ahead(paths, batch_size, embedder.input):
        embeddings = embedder.embed(np.stack(crops), flip)
        finite = np.isfinite(embeddings).all(axis=1)
        if not finite.all():
            raise EmbeddingsError(
                f"{embedder.name}: its embedding of {paths[done + int(np.argmin(finite))]} is not finite; "
                "the model is broken, or its input spec is another's"
            )
        parts.append(embeddings)
        done += len(crops)
        if progress is not None:
            progress(done)
    return np.concatenate(parts)


def load_network(path: str | Path) -> tuple[nn.Module, NetworkConfig]:
    """The network of a run, checkpoint or weight file, for inference on the CPU.

    Raises ConfigError, and what network_of raises.
    """
    model = weights.load(path)
    return network_of(model), model.info.network


def network_of(model: weights.Weights) -> nn.Module:
    """A model's network with its weights, for inference on the CPU.

    Raises CheckpointError for weights of other names or shapes than the network's, or not finite.
    """
    from sphereface_plus.networks import build_network

    file, config = model.file, model.info.network
    timm = config.name.startswith("timm:")
    network = weights.built(file, lambda: build_network(config), model.network, needs_memory=timm)
    broken = [name for name, value in network.state_dict().items() if not bool(value.isfinite().all())]
    if broken:
        raise CheckpointError(
            f"{file}: its weights are not finite ({broken[0]}{' and others' if len(broken) > 1 else ''}); "
            "the training has diverged; take an earlier checkpoint"
        )
    return network.eval().requires_grad_(False)


def sidecar(path: str | Path) -> Path:
    """Where the input spec of an ONNX file lies, if it is not given: `<file>.yaml`."""
    return Path(f"{path}.yaml")


def _from_checkpoint(path: Path, given: InputSpec | None, device: torch.device) -> Embedder:
    file = resolve(path)
    kind = "weights" if file.suffix == ".safetensors" else "checkpoint"
    model = weights.load(file)
    network, config = network_of(model), model.info.network
    if given is not None:
        check_input(given, config.input, origin=str(file))
    network = network.to(device).to(memory_format=torch.channels_last)
    use_whole_fp32()
    said, seen = weights.provenance(model.info.origin, own=kind == "checkpoint"), model.trained_on
    return Embedder(kind, config.input, model.sha256, network, device, str(path), device.type, seen, said)


def _from_onnx(path: Path, given: InputSpec | None, device: str) -> Embedder:
    from sphereface_plus.onnx_import import OnnxError, load_onnx, onnx_facts

    if not path.is_file():
        raise OnnxError(f"{path}: there is no such ONNX file")
    spec = load_input_spec(sidecar(path)) if sidecar(path).is_file() else given
    if spec is None:
        raise SpecError(
            f"{path}: an ONNX file does not say which crops it expects; give its input spec by --input FILE, "
            f"such as configs/input/mobilefacenet.yaml, or lay that beside it as {sidecar(path).name}"
        )
    if given is not None:
        check_input(given, spec, origin=str(path))
        spec = given if isinstance(given, OnnxInputSpec) else spec
    run, runs_on = load_onnx(path, spec, device)

    def network(crops: Tensor) -> Tensor:
        return torch.from_numpy(run(crops.numpy()))

    # onnxruntime moves its input to its own device; crops are normalised where it takes them from.
    fingerprint, headers = onnx_facts(path)
    origin = weights.origin_of(headers.get(weights.KEY, ""), str(path))
    said = weights.provenance(origin, own=False) if origin else {}
    return Embedder("onnx", spec, fingerprint, network, torch.device("cpu"), str(path), runs_on, None, said)


def _what(crops: object) -> str:
    if not isinstance(crops, list | tuple):
        return type(crops).__name__
    kinds = sorted({f"{type(crop).__name__} {getattr(crop, 'shape', '')}".strip() for crop in crops})
    return f"a list of {', '.join(kinds[:3]) or 'nothing'}"


def _grey_values(crops: Tensor) -> Tensor:
    return crops.mean(1).flatten(
        1
    )  # (B, H * W), of normalised values: near zero in the mean, as cosines need
