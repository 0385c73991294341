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
    if batch == 0:
        raise OnnxError(f"{path}: takes batches of no crop")
    if any(isinstance(size, int) and size != other for size, other in zip(shape, expected, strict=True)):
        raise SpecError(
            f"{path}: takes crops {shape} (channels, height, width), its input spec says {expected}"
        )

    def run(crops: np.ndarray) -> np.ndarray:
        size = batch if isinstance(batch, int) else len(crops)
        parts = []
        for start in range(0, len(crops), size):
            part = crops[start : start + size]
            filled = np.zeros((size, *crops.shape[1:]), np.float32)
            filled[: len(part)] = part
            try:
                embeddings = np.asarray(session.run(None, {name: filled})[0])
            except Exception as error:  # onnxruntime's own, such as of a Reshape to a batch of 1
                raise OnnxError(
                    f"{path}: onnxruntime cannot run it with {size} crops ({_first_line(error)})"
                ) from None
            if embeddings.ndim != 2 or len(embeddings) != size:
                raise OnnxError(f"{path}: gives {embeddings.shape} for {size} crops, expected ({size}, D)")
            parts.append(embeddings[: len(part)])
        return np.concatenate(parts)

    return run, "cuda" if "CUDAExecutionProvider" in session.get_providers() else "cpu"


def onnx_fingerprint(path: Path) -> str:
    """sha256 of the file, and then of the files beside it that hold its weights, if there are any."""
    digest = hashlib.sha256(path.read_bytes())
    tensors = onnx.load(path, load_external_data=False).graph.initializer
    for name in sorted(
        {ExternalDataInfo(tensor).location for tensor in tensors if uses_external_data(tensor)}
    ):
        beside = (path.parent / name).resolve()
        if not (beside.is_relative_to(path.parent.resolve()) and beside.is_file()):
            raise OnnxError(f"{path}: names {name!r} for its weights, which is no file beside it")
        with beside.open("rb") as file:
            while block := file.read(2**20):
                digest.update(block)
    return digest.hexdigest()


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]
