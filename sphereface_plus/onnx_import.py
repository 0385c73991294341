"""An ONNX file as a function from a network's input to embeddings, through onnxruntime."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx.external_data_helper import ExternalDataInfo, uses_external_data

from sphereface_plus.config import InputSpec, OnnxInputSpec
from sphereface_plus.data.crops import SpecError
from sphereface_plus.data.formats.manifest import leads_outside
from sphereface_plus.errors import UserError, memory_is_short
from sphereface_plus.model_files import sha256

# Before the import: without it a session writes a device id for telemetry into the user's home.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
import onnxruntime

MAX_BATCH = 4096
"""Crops that a file may fix its batch to: so many are in memory at once, however few are given."""
FLOATS = {"tensor(float)": np.float32, "tensor(float16)": np.float16, "tensor(double)": np.float64}


class OnnxError(UserError):
    """An ONNX file that cannot serve as a network; the message names it and says why."""


def load_onnx(path: Path, spec: InputSpec, device: str) -> tuple[Callable[[np.ndarray], np.ndarray], str]:
    """A file's function, float32 (B, 3, H, W) -> float32 (B, D) for any B, and where it runs: cpu or cuda.

    The file may take its crops as (B, H, W, 3), in half or double precision, and n at a time: then it runs n
    crops at a time, the last time filled up with zeros. It may have other outputs beside the embeddings, such
    as their norms: an output's name in the spec tells which, or else there must be one only of shape (B, D).
    device: cpu, cuda, or auto: CUDA where the installed onnxruntime has it.
    Raises OnnxError for a model that is not such a network, and for cuda where onnxruntime lacks it,
    SpecError where the file takes other crops than the spec says.
    """
    session = _session(path, device)
    inputs, outputs = session.get_inputs(), session.get_outputs()
    if len(inputs) != 1 or not outputs or len(inputs[0].shape) != 4 or inputs[0].type not in FLOATS:
        described = "; ".join(
            f"{kind} {value.name} {value.type} {value.shape}"
            for kind, values in (("input", inputs), ("output", outputs))
            for value in values
        )
        raise OnnxError(
            f"{path}: expected one float input, (B, 3, H, W) or (B, H, W, 3), and an output (B, D), "
            f"got {described}"
        )
    name, (batch, *shape), dtype = inputs[0].name, inputs[0].shape, FLOATS[inputs[0].type]
    colours_last = shape[0] != 3 and shape[2] == 3
    order, expected = "channels, height, width", [3, spec.height, spec.width]
    if colours_last:
        order, expected = "height, width, channels", [spec.height, spec.width, 3]
    if any(isinstance(size, int) and size != other for size, other in zip(shape, expected, strict=True)):
        raise SpecError(f"{path}: takes crops {shape} ({order}), its input spec says {expected}")
    if isinstance(batch, int) and not 0 < batch <= MAX_BATCH:
        raise OnnxError(f"{path}: takes {batch} crops at a time, expected 1 to {MAX_BATCH}")

    def call(names: list[str], crops: np.ndarray) -> list[np.ndarray]:
        if colours_last:
            crops = crops.transpose(0, 2, 3, 1)
        try:
            found = session.run(names, {name: np.ascontiguousarray(crops, dtype=dtype)})
        except Exception as error:
            if memory_is_short(error):
                raise
            raise OnnxError(f"{path}: onnxruntime cannot run it ({_first_line(error)})") from None
        return [_without_map(np.asarray(output)) for output in found]

    names = [output.name for output in outputs]
    wanted = spec.output if isinstance(spec, OnnxInputSpec) else None
    if wanted is not None and wanted not in names:
        raise OnnxError(
            f"{path}: has no output {wanted}, which its input spec names; it has {', '.join(names)}"
        )
    if wanted is None and len(names) > 1:
        size = batch if isinstance(batch, int) else 2
        tried = call(names, np.zeros((size, 3, spec.height, spec.width), np.float32))
        wanted = _embeddings_among(path, dict(zip(names, tried, strict=True)), size)
    chosen = [wanted or names[0]]

    def run(crops: np.ndarray) -> np.ndarray:
        size = batch if isinstance(batch, int) else len(crops)
        parts = []
        for start in range(0, len(crops), size):
            part = crops[start : start + size]
            filled = np.zeros((size, *crops.shape[1:]), np.float32)
            filled[: len(part)] = part
            (embeddings,) = call(chosen, filled)
            if not _are_embeddings(embeddings, size):
                raise OnnxError(
                    f"{path}: gives {embeddings.dtype} {embeddings.shape} for {size} crops, "
                    f"expected floats ({size}, D)"
                )
            parts.append(embeddings[: len(part)])
        return np.concatenate(parts).astype(np.float32, copy=False)

    return run, "cuda" if "CUDAExecutionProvider" in session.get_providers() else "cpu"


def _session(path: Path, device: str) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # what is wrong is raised below; nothing else goes to stderr
    options.intra_op_num_threads = torch.get_num_threads()
    wanted = {"CPUExecutionProvider"} | ({"CUDAExecutionProvider"} if device != "cpu" else set())
    providers = [name for name in onnxruntime.get_available_providers() if name in wanted]
    if device == "cuda" and len(providers) < 2:
        raise OnnxError(f"{path}: the installed onnxruntime has no CUDA; take device cpu, or onnxruntime-gpu")
    # Each of torchrun's processes has a GPU of its own, which onnxruntime has to be told.
    gpu = {"device_id": torch.cuda.current_device()} if torch.cuda.is_available() else {}
    places = [gpu if name == "CUDAExecutionProvider" else {} for name in providers]
    try:
        session = onnxruntime.InferenceSession(
            str(path), options, providers=providers, provider_options=places
        )
    except Exception as error:  # onnxruntime's exceptions have no other base in common
        if memory_is_short(error):
            raise
        raise OnnxError(f"{path}: onnxruntime cannot load it ({_first_line(error)})") from None
    # onnxruntime goes on with the CPU, and says so in its log only, where CUDA's libraries cannot be loaded.
    if device == "cuda" and "CUDAExecutionProvider" not in session.get_providers():
        raise OnnxError(
            f"{path}: onnxruntime cannot use CUDA here (its libraries, or a GPU); take device cpu"
        )
    return session


def _embeddings_among(path: Path, outputs: dict[str, np.ndarray], size: int) -> str:
    """The one output that is embeddings of `size` crops; norms and qualities are one number a crop."""
    found = [
        name for name, output in outputs.items() if _are_embeddings(output, size) and output.shape[1] > 1
    ]
    if len(found) != 1:
        described = ", ".join(f"{name} {output.shape}" for name, output in outputs.items())
        raise OnnxError(
            f"{path}: has {len(outputs)} outputs, of which {len(found)} can be embeddings: {described}; name "
            "one in its input spec, as a line `output: NAME`"
        )
    return found[0]


def _are_embeddings(output: np.ndarray, size: int) -> bool:
    return output.ndim == 2 and len(output) == size and output.dtype.kind == "f"


def _without_map(output: np.ndarray) -> np.ndarray:
    """Embeddings (B, D, 1, 1), as a last convolution gives them, as (B, D)."""
    return output.reshape(output.shape[:2]) if output.ndim > 2 and set(output.shape[2:]) == {1} else output


def onnx_facts(path: Path) -> tuple[str, dict[str, str]]:
    """The file's fingerprint, and what its writer says in it.

    The fingerprint is the sha256 of the file, and then of the files beside it that hold its weights, if there
    are any. Raises OnnxError where one of them is missing, or does not lie in the file's folder or below.
    """
    try:
        model = onnx.load(path, load_external_data=False)
        tensors = [tensor for tensor in model.graph.initializer if uses_external_data(tensor)]
        names = {ExternalDataInfo(tensor).location for tensor in tensors}
    except Exception as error:  # protobuf's errors are not a ValueError
        raise OnnxError(f"{path}: cannot be read as ONNX ({_first_line(error)})") from None
    said = {entry.key: entry.value for entry in model.metadata_props}
    if not names:
        return sha256(path), said
    digest = hashlib.sha256(path.read_bytes())
    for name in sorted(names):
        if leads_outside(name):
            raise OnnxError(f"{path}: its weights lie in {name[:200]!r}, outside of its folder")
        try:
            digest.update((path.parent / name).read_bytes())
        except OSError as error:
            raise OnnxError(
                f"{path}: its weights in {name[:200]!r} cannot be read ({error.strerror})"
            ) from None
    return digest.hexdigest(), said


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0][:300] or type(error).__name__
