"""A checkpoint's network as an ONNX file with a dynamic batch, its input spec beside it."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import onnx
import torch
import yaml
from torch import nn

from sphereface_plus import weights
from sphereface_plus.config import InputSpec, to_dict
from sphereface_plus.embedding import network_of, sidecar
from sphereface_plus.files import naming
from sphereface_plus.onnx_import import OnnxError, load_onnx

BATCHES = (1, 2, 7)
"""Batch sizes at which the exported file is compared with torch."""
TOLERANCE = 1e-3
"""Largest difference between the two, in units of torch's largest number; float32 gives some 1e-6."""


def export_onnx(model: str | Path, out: str | Path) -> float:
    """Writes the network of a run or checkpoint: `crops` (B, 3, H, W), normalised -> `embeddings` (B, D).

    Its metadata say where the weights come from (weights.Origin). Beside `out` lies `<out>.yaml`, the input
    spec. Both appear once the file is whole and has run.
    Returns the largest absolute difference between onnxruntime's and torch's embeddings of random crops.
    Raises CheckpointError or ConfigError, OnnxError where the two differ; nothing is written then.
    """
    out = Path(out)
    given = weights.load(model)
    network, config = network_of(given), given.info.network
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".export-", dir=out.parent) as folder:  # one file system
        file, spec = Path(folder) / out.name, Path(folder) / "input.yaml"
        program = _exported(network, config.input)
        origin = json.dumps(to_dict(given.info.origin), ensure_ascii=False)
        onnx.helper.set_model_props(program, {weights.KEY: origin})
        with naming(out):
            file.write_bytes(program.SerializeToString())
            spec.write_text(yaml.safe_dump(to_dict(config.input), sort_keys=False), encoding="utf-8")
        difference, largest = _difference(network, file, config.input)
        if not difference <= TOLERANCE * largest:  # so that nan, which is neither, is refused
            raise OnnxError(
                f"{model}: onnxruntime's embeddings differ from torch's by {difference:.1e}, where the "
                f"largest number is {largest:.1e}; no file was written"
            )
        with naming(out):
            spec.replace(sidecar(out))
            file.replace(out)
    return difference


def _exported(network: nn.Module, spec: InputSpec) -> onnx.ModelProto:
    program = torch.onnx.export(
        network,
        (torch.zeros(2, 3, spec.height, spec.width),),  # 2: a batch of 1 would be taken for a constant
        dynamo=True,
        input_names=["crops"],
        output_names=["embeddings"],
        dynamic_shapes=({0: torch.export.Dim("batch")},),
        verbose=False,
    )
    assert program is not None  # None only with dynamo=False
    model = program.model_proto
    for node in model.graph.node:
        node.ClearField("metadata_props")  # stack traces, with the paths of this machine
    return model


def _difference(network: nn.Module, file: Path, spec: InputSpec) -> tuple[float, float]:
    """Largest difference of onnxruntime's embeddings of random crops to torch's; torch's largest number."""
    run, _ = load_onnx(file, spec, "cpu")
    generator = torch.Generator().manual_seed(0)
    ours, expected = [], []
    for batch in BATCHES:
        crops = torch.rand(batch, 3, spec.height, spec.width, generator=generator) * 2 - 1
        with torch.inference_mode():
            expected.append(network(crops))
        ours.append(torch.from_numpy(run(crops.numpy())))
    difference = torch.cat(ours) - torch.cat(expected)
    return difference.abs().max().item(), torch.cat(expected).abs().max().item()
