"""How a training went, from its folder: losses and energies from the log, singular values from checkpoints,
samples from its grids."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from sphereface_plus import weights
from sphereface_plus.mhe import neurons_of
from sphereface_plus.networks import build_discriminator
from sphereface_plus.networks.gan_normalisation import raw_layers
from sphereface_plus.training.logs import read_log
from sphereface_plus.training.samples import GAP

from .generators import Generator, gan_payload

ENERGIES = "half_space_energy/"
SHOWN_GRIDS = 6
_CORNER = 4  # images of a grid's side that are shown


@dataclass(frozen=True)
class SingularValues:
    """Of the discriminator's weights before any normalisation, by layer, largest first."""

    step: int
    of_layer: dict[str, list[float]]


def log_of(generator: Generator) -> list[dict[str, float]]:
    """Its lines up to the step that is measured; none where the log is not there."""
    log = generator.folder / "log.jsonl"
    if not log.is_file():
        return []
    return [line for line in read_log(log) if line["step"] <= generator.step]


def series(lines: Sequence[dict[str, float]], names: Sequence[str]) -> dict[str, Any]:
    """{"discriminator_loss": {"step": [...], "value": [...]}}, of those names that the log has."""
    found = {}
    for name in names:
        points = [(line["step"], line[name]) for line in lines if name in line]
        if points:
            steps, values = zip(*points, strict=True)
            found[name] = {"step": [int(step) for step in steps], "value": list(values)}
    return found


def energies(lines: Sequence[dict[str, float]]) -> dict[str, Any]:
    """Half-space energies by layer, likewise."""
    names = dict.fromkeys(name for line in lines for name in line if name.startswith(ENERGIES))
    return {name.removeprefix(ENERGIES): one for name, one in series(lines, list(names)).items()}


def singular_values(generator: Generator) -> list[SingularValues]:
    """At each checkpoint of the run up to the one that is measured, in order of steps."""
    files = {int(file.stem.removeprefix("step_")): file for file in generator.file.parent.glob("step_*.pt")}
    files = {step: file for step, file in files.items() if step < generator.step}
    files[generator.step] = generator.file
    return [SingularValues(step, _singular_values(files[step])) for step in sorted(files)]


@torch.inference_mode()
def _singular_values(file: Path) -> dict[str, list[float]]:
    payload, config = gan_payload(file)
    weights.check_tensors(file, discriminator=payload["discriminator"])
    discriminator = weights.built(
        file,
        lambda: build_discriminator(config.network, image_size=config.data.side),
        payload["discriminator"],
    )
    return {
        name: torch.linalg.svdvals(neurons_of(layer).float()).tolist()
        for name, layer in raw_layers(discriminator).items()
    }


def grids_over_time(generator: Generator) -> list[tuple[int, np.ndarray]]:
    """(step, uint8 (H, W, 3)): the first images of some of the run's own grids of samples, of one noise."""
    found = []
    for file in generator.folder.glob("samples/step_*.png"):
        step = int(file.stem.removeprefix("step_"))
        if step <= generator.step:
            found.append((step, file))
    found.sort()
    if len(found) > SHOWN_GRIDS:
        places = np.linspace(0, len(found) - 1, SHOWN_GRIDS).round().astype(int)
        found = [found[place] for place in places]
    side = GAP + _CORNER * (generator.config.data.side + GAP)
    pictures = []
    for step, file in found:
        with Image.open(file) as grid:
            pictures.append((step, np.asarray(grid.convert("RGB"))[:side, :side]))
    return pictures
