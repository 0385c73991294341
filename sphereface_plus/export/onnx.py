"""A model's network as an ONNX file with a dynamic batch, its input spec beside it."""

from __future__ import annotations

import json
from pathlib import Path

import onnx
import torch
from torch import nn

from sphereface_plus import weights
from sphereface_plus.config import InputSpec, to_dict
from sphereface_plus.export.checked import Run, write_checked
from sphereface_plus.onnx_import import load_onnx
from sphereface_plus.weights import Weights


def export_onnx(model: str | Path, out: str | Path) -> float:
    """Writes the network of a run or checkpoint: `crops` (B, 3, H, W), normalised -> `embeddings` (B, D).

    Its metadata say where the weights come from (weights.Origin). What it returns and raises: write_checked.
    """
    return write_checked(model, out, _encoded, _loaded)


def _encoded(network: nn.Module, model_weights: Weights) -> bytes:
    program = _exported(network, model_weights.info.network.input)
    origin = json.dumps(to_dict(model_weights.info.origin), ensure_ascii=False)
    onnx.helper.set_model_props(program, {weights.KEY: origin})
    return program.SerializeToString()


def _loaded(file: Path, spec: InputSpec) -> Run:
    run, _ = load_onnx(file, spec, "cpu")
    return lambda crops: torch.from_numpy(run(crops.numpy()))


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
