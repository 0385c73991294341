"""A model's network as a program of torch.export (.pt2) with a dynamic batch, its input spec beside it."""

from __future__ import annotations

import io
from pathlib import Path

import torch
import torch.fx
from torch import nn
from torch.export import ExportedProgram

from sphereface_plus.config import InputSpec
from sphereface_plus.export.checked import Run, write_checked
from sphereface_plus.weights import Weights


def export_torch(model: str | Path, out: str | Path) -> float:
    """Writes the network of a run, checkpoint or weight file: `crops` (B, 3, H, W), normalised -> (B, D).

    `torch.export.load(out).module()` is the network again, without this package. What it returns and raises:
    write_checked.
    """
    return write_checked(model, out, _encoded, _loaded)


def _encoded(network: nn.Module, model_weights: Weights) -> bytes:
    program = io.BytesIO()
    torch.export.save(_exported(network, model_weights.info.network.input), program)
    return program.getvalue()


def _loaded(file: Path, spec: InputSpec) -> Run:
    with file.open("rb") as program:  # torch would warn of the unfinished file's name
        return torch.export.load(program).module()


def _exported(network: nn.Module, spec: InputSpec) -> ExportedProgram:
    program = torch.export.export(
        network,
        (torch.zeros(2, 3, spec.height, spec.width),),  # 2: a batch of 1 would be taken for a constant
        dynamic_shapes=({0: torch.export.Dim("batch")},),
    )
    for part in program.graph_module.modules():  # the network leaves autocast in a graph of its own
        if isinstance(part, torch.fx.GraphModule):
            for node in part.graph.nodes:
                node.meta.pop("stack_trace", None)  # it holds the paths of this machine
    return program
