"""An ONNX file as a function from a network's input to embeddings, through onnxruntime."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from onnx.external_data_helper import ExternalDataInfo, uses_external_data

from sphereface_plus.config import InputSpec
from sphereface_plus.data.crops import SpecError
from sphereface_plus.data.manifest import leads_outside

MAX_BATCH = 4096
"""Crops that a file may fix its batch to: so many are in memory at once, however few are given."""


class OnnxError(ValueError):
    """An ONNX file that cannot serve as a network; the message names it and says why."""


def load_onnx(path: Path, spec: InputSpec, device: str) -> tuple[Callable[[np.ndarray], np.ndarray], str]:
    """A file's function, float32 (B, 3, H, W) -> float32 (B, D) for any B, and where it runs: cpu or cuda.

    Where the file fixes the batch to n, it runs n crops at a time, the last time filled up with zeros.
    device: cpu, cuda, or auto: CUDA where the installed onnxruntime has it.
    Raises OnnxError for what is no such network and for cuda where onnxruntime lacks it, SpecError where the
    file takes other crops than the spec says.
    """
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # what is wrong is raised below; nothing else goes to stderr
    options.intra_op_num_threads = torch.get_num_threads()
    wanted = {"CPUExecutionProvider"} | ({"CUDAExecutionProvider"} if device != "cpu" else set())
    providers = [name for name in onnxruntime.get_available_providers() if name in wanted]
    if device == "cuda" and len(providers) < 2:
        raise OnnxError(f"{path}: the installed onnxruntime has no CUDA; take device cpu, or onnxruntime-gpu")
    try:
        session = onnxruntime.InferenceSession(str(path), options, providers=providers)
    except Exception as error:  # onnxruntime's exceptions have no other base in common
        raise OnnxError(f"{path}: onnxruntime cannot load it ({_first_line(error)})") from None
    # onnxruntime goes on with the CPU, and says so in its log only, where CUDA's libraries cannot be loaded.
    if device == "cuda" and "CUDAExecutionProvider" not in session.get_providers():
        raise OnnxError(
            f"{path}: onnxruntime cannot use CUDA here (its libraries, or a GPU); take device cpu"
        )
    inputs, outputs = session.get_inputs(), session.get_outputs()
    if (
        len(inputs) != 1
        or len(outputs) != 1
        or len(inputs[0].shape) != 4
        or inputs[0].type != "tensor(float)"
    ):
        described = "; ".join(
            f"{kind} {value.name} {value.type} {value.shape}"
            for kind, values in (("input", inputs), ("output", outputs))
            for value in values
        )
        raise OnnxError(
            f"{path}: expected one float input (B, 3, H, W) and one output (B, D), got {described}"
        )
    name, (batch, *shape) = inputs[0].name, inputs[0].shape
    expected = [3, spec.height, spec.width]
    if any(isinstance(size, int) and size != other for size, other in zip(shape, expected, strict=True)):
        raise SpecError(
            f"{path}: takes crops {shape} (channels, height, width), its input spec says {expected}"
        )

    if isinstance(batch, int) and not 0 < batch <= MAX_BATCH:
        raise OnnxError(f"{path}: takes {batch} crops at a time, expected 1 to {MAX_BATCH}")

    def run(crops: np.ndarray) -> np.ndarray:
        size = batch if isinstance(batch, int) else len(crops)
        parts = []
        for start in range(0, len(crops), size):
            part = crops[start : start + size]
            filled = np.zeros((size, *crops.shape[1:]), np.float32)
            filled[: len(part)] = part
            try:
                embeddings = np.asarray(session.run(None, {name: filled})[0])
            except Exception as error:
                raise OnnxError(f"{path}: onnxruntime cannot run it ({_first_line(error)})") from None
            if embeddings.ndim != 2 or len(embeddings) != size or embeddings.dtype.kind != "f":
                raise OnnxError(
                    f"{path}: gives {embeddings.dtype} {embeddings.shape} for {size} crops, "
                    f"expected floats ({size}, D)"
                )
            parts.append(embeddings[: len(part)])
        return np.concatenate(parts)

    return run, "cuda" if "CUDAExecutionProvider" in session.get_providers() else "cpu"


def onnx_fingerprint(path: Path) -> str:
    """sha256 of the file, and then of the files beside it that hold its weights, if there are any.

    Raises OnnxError where one of them is missing, or does not lie in the file's folder or below.
    """
    digest = hashlib.sha256(path.read_bytes())
    try:
        tensors = onnx.load(path, load_external_data=False).graph.initializer
        names = {ExternalDataInfo(tensor).location for tensor in tensors if uses_external_data(tensor)}
    except Exception as error:  # protobuf's errors are no ValueError
        raise OnnxError(f"{path}: cannot be read as ONNX ({_first_line(error)})") from None
    for name in sorted(names):
        if leads_outside(name):
            raise OnnxError(f"{path}: its weights lie in {name[:200]!r}, outside of its folder")
        try:
            digest.update((path.parent / name).read_bytes())
        except OSError as error:
            raise OnnxError(
                f"{path}: its weights in {name[:200]!r} cannot be read ({error.strerror})"
            ) from None
    return digest.hexdigest()


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0][:300] or type(error).__name__
