"""A model's network as a program of torch.export (.pt2) with a dynamic batch, its input spec beside it."""

from __future__ import annotations

import io
import tempfile
from pathlib import Path

import torch
import torch.fx
import yaml
from torch import nn
from torch.export import ExportedProgram

from sphereface_plus.config import InputSpec, to_dict
from sphereface_plus.embedding import load_network, sidecar
from sphereface_plus.errors import UserError
from sphereface_plus.files import naming

BATCHES = (1, 2, 7)
"""Batch sizes at which the written program is compared with the network."""
TOLERANCE = 1e-3
"""Largest difference between the two, in units of the network's largest number; float32 gives some 1e-6."""


class ExportError(UserError):
    """A program that does not compute what its network does."""


def export_torch(model: str | Path, out: str | Path) -> float:
    """Writes the network of a run, checkpoint or weight file: `crops` (B, 3, H, W), normalised -> (B, D).

    `torch.export.load(out).module()` is the network again, without this package. Beside `out` lies
    `<out>.yaml`, the input spec. Both appear once the file is whole and has run.
    Returns the largest absolute difference between the two's embeddings of random crops.
    Raises CheckpointError or ConfigError, ExportError where the two differ; nothing is written then.
    """
    out = Path(out)
    network, config = load_network(model)
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".export-", dir=out.parent) as folder:  # one file system
        file, spec = Path(folder) / "network.pt2", Path(folder) / "input.yaml"
        program = io.BytesIO()  # torch does not say why it cannot write a file
        torch.export.save(_exported(network, config.input), program)
        with naming(out):
            file.write_bytes(program.getbuffer())
            spec.write_text(yaml.safe_dump(to_dict(config.input), sort_keys=False), encoding="utf-8")
        difference, largest = _difference(network, file, config.input)
        if not difference <= TOLERANCE * largest:  # so that nan, which is neither, is refused
            raise ExportError(
                f"{model}: the program's embeddings differ from the network's by {difference:.1e}, where the "
                f"largest number is {largest:.1e}; no file was written"
            )
        with naming(out):
            spec.replace(sidecar(out))
            file.replace(out)
    return difference


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


def _difference(network: nn.Module, file: Path, spec: InputSpec) -> tuple[float, float]:
    """The largest difference of the program's embeddings to the network's, and their largest number."""
    program = torch.export.load(file).module()
    generator = torch.Generator().manual_seed(0)
    ours, expected = [], []
    for batch in BATCHES:
        crops = torch.rand(batch, 3, spec.height, spec.width, generator=generator) * 2 - 1
        with torch.inference_mode():
            expected.append(network(crops))
            ours.append(program(crops))
    difference = torch.cat(ours) - torch.cat(expected)
    return difference.abs().max().item(), torch.cat(expected).abs().max().item()
