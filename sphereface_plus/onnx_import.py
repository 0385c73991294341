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
from sphereface_plus.data.faces import SpecError


class OnnxError(ValueError):
    """An ONNX file that cannot serve as a network; the message names it and says why."""


def load_onnx(path: Path, spec: InputSpec, device: str) -> Callable[[np.ndarray], np.ndarray]:
    """The function float32 (B, 3, H, W) -> float32 (B, D) of a file, for any B.

    A file with a fixed batch of n is run n crops at a time, the last time filled up with zeros.
    Raises OnnxError for what is no such network, SpecError where its height and width are not the spec's.
    """
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors: those are raised below, warnings are about the file's maker
    options.intra_op_num_threads = torch.get_num_threads()
    cuda = device == "cuda" and "CUDAExecutionProvider" in onnxruntime.get_available_providers()
    providers = ["CUDAExecutionProvider"] * cuda + ["CPUExecutionProvider"]
    try:
        session = onnxruntime.InferenceSession(str(path), options, providers=providers)
    except Exception as error:  # onnxruntime's own exceptions share no other base
        raise OnnxError(
            f"{path}: onnxruntime cannot load it ({str(error).strip().splitlines()[0]})"
        ) from None
    inputs, outputs = session.get_inputs(), session.get_outputs()
    if (
        len(inputs) != 1
        or len(outputs) != 1
        or len(inputs[0].shape) != 4
        or inputs[0].type != "tensor(float)"
    ):
        raise OnnxError(
            f"{path}: a network has one float input (B, 3, H, W) and one output (B, D), this file has inputs "
            f"{[(i.type, i.shape) for i in inputs]} and outputs {[(o.type, o.shape) for o in outputs]}"
        )
    batch, *shape = inputs[0].shape
    expected = (3, spec.height, spec.width)
    if any(isinstance(size, int) and size != given for size, given in zip(shape, expected, strict=True)):
        raise SpecError(f"{path}: takes inputs {tuple(shape)}, but its input spec says {expected}")
    fixed = batch if isinstance(batch, int) else None
    name = inputs[0].name

    def run(crops: np.ndarray) -> np.ndarray:
        size = fixed or len(crops)
        parts = []
        for start in range(0, len(crops), size):
            part = crops[start : start + size]
            filled = np.concatenate([part, np.zeros((size - len(part), *part.shape[1:]), part.dtype)])
            (embeddings,) = session.run(None, {name: filled})
            parts.append(np.asarray(embeddings)[: len(part)])
        return np.concatenate(parts)

    return run


def onnx_fingerprint(path: Path) -> str:
    """sha256 of the file, followed by its weight files where it keeps the weights outside of itself."""
    digest = hashlib.sha256(path.read_bytes())
    model = onnx.load(path, load_external_data=False)
    outside = {
        ExternalDataInfo(tensor).location for tensor in model.graph.initializer if uses_external_data(tensor)
    }
    for name in sorted(outside):
        digest.update((path.parent / name).read_bytes())
    return digest.hexdigest()
