"""A program of a model's network, compared with the network before it appears, its input spec beside it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
import yaml
from torch import Tensor, nn

from sphereface_plus import weights
from sphereface_plus.config import InputSpec, to_dict
from sphereface_plus.embedding import network_of, sidecar
from sphereface_plus.errors import UserError
from sphereface_plus.files import NewFiles
from sphereface_plus.weights import Weights

BATCHES = (1, 2, 7)
"""Batch sizes at which the written program is compared with the network."""
TOLERANCE = 1e-3
"""Largest difference between the two, in units of the network's largest number; float32 gives some 1e-6."""

Run = Callable[[Tensor], Tensor]
"""Normalised crops (B, 3, H, W) -> embeddings (B, D)."""


class ExportError(UserError):
    """A program that does not compute what its network does."""


def write_checked(
    model: str | Path,
    out: str | Path,
    encode: Callable[[nn.Module, Weights], bytes],
    load: Callable[[Path, InputSpec], Run],
) -> float:
    """Writes the network of a run, checkpoint or weight file, and `<out>.yaml`, its input spec. Both appear
    once the file is whole and has run.

    encode: the network and the weights that it is of -> the file's bytes. load: the file, again a function.

    Returns the largest absolute difference between the two's embeddings of random crops.
    Raises CheckpointError or ConfigError, ExportError where the two differ; nothing is written then.
    """
    out = Path(out)
    model_weights = weights.load(model)
    network, input = network_of(model_weights), model_weights.info.network.input
    program = encode(network, model_weights)
    with NewFiles(large=True) as new:
        # The spec first: a program never appears without it.
        new.open(sidecar(out)).write(yaml.safe_dump(to_dict(input), sort_keys=False).encode())
        file = new.open(out)
        file.write(program)
        file.flush()
        difference, largest = _difference(network, load(Path(file.name), input), input)
        if not difference <= TOLERANCE * largest:  # so that nan, which is neither, is refused
            raise ExportError(
                f"{model}: the program's embeddings differ from the network's by {difference:.1e}, where the "
                f"largest number is {largest:.1e}; no file was written"
            )
    return difference


def _difference(network: nn.Module, run: Run, spec: InputSpec) -> tuple[float, float]:
    """The largest difference of the program's embeddings to the network's, and their largest number."""
    generator = torch.Generator().manual_seed(0)
    ours, expected = [], []
    for batch in BATCHES:
        crops = torch.rand(batch, 3, spec.height, spec.width, generator=generator) * 2 - 1
        with torch.inference_mode():
            expected.append(network(crops))
            ours.append(run(crops))
    difference = torch.cat(ours) - torch.cat(expected)
    return difference.abs().max().item(), torch.cat(expected).abs().max().item()
