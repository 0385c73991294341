"""From runs, extractors and real images to a report."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

from sphereface_plus.commands.progress import show_progress
from sphereface_plus.data.image_sets import open_images
from sphereface_plus.environment import record
from sphereface_plus.outputs import claimed

from . import page, scores
from .errors import GeneratorError
from .extractors import open_extractor
from .generators import Generator, open_generator
from .sources import features_of, generated, real

FORMAT = 1
STORE = "features"
"""The folder within a report's that keeps the features."""


@dataclass(frozen=True)
class Asked:
    """What is asked for."""

    runs: Sequence[Path]
    real: Path
    extractors: Sequence[Path]
    samples: int
    references: int | None
    split: str
    splits: int
    seed: int
    batch_size: int
    device: torch.device
    features: Path | None
    """Where features are kept; OUT/features if not given."""
    out: Path
    command: str


def run(asked: Asked) -> dict[str, Any]:
    """Measures, writes OUT/report.json and OUT/report.html, and returns the report.

    Raises UserError (its subclasses) with a sentence for anything that cannot be used.
    """
    generators = [open_generator(place, asked.device) for place in asked.runs]
    sets = {generator.config.data.name for generator in generators}
    if len(sets) > 1:
        raise GeneratorError(f"the runs are of several sets ({', '.join(sorted(sets))}); measure each alone")
    extractors = [open_extractor(place, asked.device) for place in asked.extractors]
    with claimed(
        asked.out,
        "python -m eval gan",
        within=(STORE,),
        contents={f"run {number}": generator.sha256 for number, generator in enumerate(generators, start=1)}
        | {f"extractor {number}": it.sha256 for number, it in enumerate(extractors, start=1)},
        runs=" ".join(str(place) for place in asked.runs),
        real=asked.real,
        extractors=" ".join(str(place) for place in asked.extractors),
        samples=asked.samples,
        references=asked.references,
        split=asked.split,
        splits=asked.splits,
        seed=asked.seed,
    ):
        report = _measured(asked, generators, extractors, sets.pop())
        page.write(report, asked.out)
        return report


def _measured(asked: Asked, generators: list[Generator], extractors: list[Any], name: str) -> dict[str, Any]:
    start = time.monotonic()
    store = asked.features or asked.out / STORE
    images = open_images(name, asked.real, asked.split)
    reference = real(images, f"{asked.real} ({asked.split})", asked.references)
    records = [generator.facts | {"scores": {}} for generator in generators]
    facts = []
    for extractor in extractors:
        with show_progress(f"real images, {extractor.name}") as progress:
            of_real = features_of(reference, extractor, store, asked.batch_size, progress)
        facts.append(
            extractor.facts
            | {
                "dimensions": of_real[0].shape[1],
                "classes": of_real[1].shape[1],
                "real_class_score": scores.of_reference(of_real, asked.splits),
            }
        )
        for generator, found in zip(generators, records, strict=True):
            source = generated(generator, asked.samples, asked.seed, asked.batch_size)
            with show_progress(f"images of {generator.place}, {extractor.name}") as progress:
                made = features_of(source, extractor, store, asked.batch_size, progress)
            found["scores"][extractor.name] = scores.scores(made, of_real, asked.splits)
    return {
        "format": FORMAT,
        "title": f"Generated images, {name}",
        "created": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "command": asked.command,
        "samples": asked.samples,
        "seed": asked.seed,
        "splits": asked.splits,
        "reference": {
            "name": str(asked.real),
            "set": name,
            "split": asked.split,
            "images": reference.count,
            "of": len(images),
            "fingerprint": images.fingerprint(),
        },
        "extractors": facts,
        "runs": records,
        "seconds": time.monotonic() - start,
        "environment": record(gpu=asked.device.type == "cuda"),
    }
