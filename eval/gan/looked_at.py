"""What is looked at beside the scores: a run's images, the real ones that they are near, its training."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np

from sphereface_plus.training.gan_result import LOSSES
from sphereface_plus.training.samples import tiled

from . import collapse, history
from .generators import Generator
from .neighbours import QUERIES, in_features, in_pixels
from .page import Shown
from .sources import BLOCK, Source

GRID, COLUMNS = 64, 8


def warnings_of(generator: Generator, source: Source, reference: Source) -> list[str]:
    """What is wrong with it, in sentences."""
    made, real = (some.block(0, min(BLOCK, some.count)).cpu().numpy() for some in (source, reference))
    return [
        *collapse.of_images(made, real),
        *collapse.of_log(history.log_of(generator), generator.config.loss.kind),
    ]


def training_of(generator: Generator) -> dict[str, Any]:
    """How it was trained, in numbers by step; plain data."""
    lines, values = history.log_of(generator), history.singular_values(generator)
    return {
        "losses": history.series(lines, LOSSES),
        "energies": history.energies(lines),
        "singular_values": {
            "step": [at.step for at in values],
            "largest": {layer: [at.of_layer[layer][0] for at in values] for layer in values[-1].of_layer},
            "last": asdict(values[-1])["of_layer"],
        },
    }


def shown_of(
    number: int,
    label: str,
    generator: Generator,
    source: Source,
    reference: Source,
    space: tuple[str, np.ndarray, np.ndarray],
) -> Shown:
    """space: its name, and features in it of the generated images and of the reference."""
    images = source.block(0, min(GRID, source.count)).cpu().numpy()
    shown = Shown(number, label, tiled(images, COLUMNS), history.grids_over_time(generator), images[:QUERIES])
    name, of_made, of_real = space
    for found in (in_features(name, of_made[:QUERIES], of_real), in_pixels(shown.queries, reference)):
        nearest = np.stack([[_image(reference, place) for place in row] for row in found.places])
        shown.nearest.append((found, nearest))
    return shown


def _image(reference: Source, place: int) -> np.ndarray:
    block, row = divmod(int(place), BLOCK)
    return reference.block(block, row + 1)[row].numpy()
