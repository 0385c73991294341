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
from sphereface_plus.data.images import DeviceImages
from sphereface_plus.environment import record
from sphereface_plus.outputs import claimed

from ..public import PUBLIC
from . import arms, page
from .errors import GeneratorError
from .extractors import Extractor, open_extractor
from .generators import Generator, open_generator
from .looked_at import shown_of, training_of, warnings_of
from .scores import Features, of_reference, scores
from .sources import Source, features_of, generated, real, real_images

FORMAT = 1
STORE = "features"
"""The folder within a report's that keeps the features."""
SHOWN = 8
"""Runs at most whose images and training are on the page."""


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
    data = generators[0].config.data
    sets = {f"{one.config.data.name} of {one.config.data.side} pixels" for one in generators}
    if len(sets) > 1:
        raise GeneratorError(f"the runs are of several sets ({', '.join(sorted(sets))}); measure each alone")
    extractors = [open_extractor(place, asked.device) for place in asked.extractors]
    names = [extractor.name for extractor in extractors]
    if len(set(names)) < len(names):
        raise GeneratorError(
            f"two extractors are called {max(names, key=names.count)}; train them with names of their own, "
            "or measure with one at a time"
        )
    with claimed(
        asked.out,
        "python -m eval gan",
        within=(STORE, PUBLIC),
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
        images = real_images(data, asked.real, asked.split)
        report, shown = _measured(asked, generators, extractors, images)
        page.write(report, shown, asked.out)
        return report


def _measured(
    asked: Asked, generators: Sequence[Generator], extractors: Sequence[Extractor], images: DeviceImages
) -> tuple[dict[str, Any], list[page.Shown]]:
    start = time.monotonic()
    reference = real(images, f"{asked.real} ({asked.split})", asked.references)
    sources = [generated(one, asked.samples, asked.seed, asked.batch_size) for one in generators]
    groups = arms.arms_of(generators)
    labels = arms.labels_of(groups, generators)
    label_of = {number: label for arm, label in zip(groups, labels, strict=True) for number in arm.runs}
    records: list[dict[str, Any]] = []
    for number, (one, source) in enumerate(zip(generators, sources, strict=True)):
        label = label_of[number] + (f", seed {one.config.seed}" if len(generators) > len(groups) else "")
        records.append(
            {**one.facts, "label": label, "scores": {}, "warnings": warnings_of(one, source, reference)}
        )
    facts, of_first, compared = [], None, {}
    for extractor in extractors:
        of_real, of_made = _features(asked, extractor, reference, sources)
        for found, made in zip(records, of_made, strict=True):
            found["scores"][extractor.name] = scores(made, of_real, asked.splits)
        of_first = of_first or (extractor.name, of_real, of_made)
        facts.append(
            extractor.facts
            | {
                "dimensions": of_real[0].shape[1],
                "classes": of_real[1].shape[1],
                "real_class_score": of_reference(of_real, asked.splits),
            }
        )
        compared[extractor.name] = arms.compared(groups, labels, records, extractor.name)
    assert of_first is not None  # at least one extractor is asked for
    name, of_real, of_made = of_first
    shown = []
    chosen = [arm.runs[0] for arm in groups] if len(groups) > 1 else groups[0].runs
    for number in chosen[:SHOWN]:
        records[number]["training"] = training_of(generators[number])
        space = f"features of {name}", of_made[number][0], of_real[0]
        label = records[number]["label"]
        shown.append(shown_of(number, label, generators[number], sources[number], reference, space))
    report = {
        "format": FORMAT,
        "title": f"Generated images, {generators[0].config.data.name}",
        "created": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "command": asked.command,
        "samples": asked.samples,
        "seed": asked.seed,
        "splits": asked.splits,
        "reference": {
            "name": str(asked.real),
            "set": generators[0].config.data.name,
            "split": asked.split,
            "images": reference.count,
            "of": len(images),
            "fingerprint": images.fingerprint(),
        },
        "extractors": facts,
        "arms": compared,
        "runs": records,
        "seconds": time.monotonic() - start,
        "environment": record(gpu=asked.device.type == "cuda"),
    }
    return report, shown


def _features(
    asked: Asked, extractor: Extractor, reference: Source, sources: Sequence[Source]
) -> tuple[Features, list[Features]]:
    """Of the reference, and of each generator's images."""
    store = asked.features or asked.out / STORE
    found = []
    for source in (reference, *sources):
        with show_progress(f"images of {source.name}, {extractor.name}") as progress:
            found.append(features_of(source, extractor, store, asked.batch_size, progress))
    return found[0], found[1:]
