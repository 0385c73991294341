"""From runs, extractors and real images to a report."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import torch

from sphereface_plus.commands.progress import show_progress
from sphereface_plus.data.images import DeviceImages
from sphereface_plus.environment import record
from sphereface_plus.outputs import claimed
from sphereface_plus.processes import use_whole_fp32

from ..public import PUBLIC
from . import arms, page
from .errors import GeneratorError
from .extractors import Extractor, open_extractor
from .generators import Generator, open_generator
from .looked_at import shown_of, training_of, warnings_of
from .scored import Scored, scored, scored_once
from .scores import Features, of_reference
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
    keep_features: bool
    """Of generated images, once they have their scores."""
    out: Path
    command: str


def run(asked: Asked) -> dict[str, Any]:
    """Measures, writes OUT/report.json and OUT/report.html, and returns the report.

    Raises UserError (its subclasses) with a sentence for anything that cannot be used.
    """
    use_whole_fp32()
    generators = [open_generator(place, asked.device) for place in asked.runs]
    data = generators[0].config.data
    sets = {f"{one.config.data.name} of {one.config.data.side} pixels" for one in generators}
    if len(sets) > 1:
        raise GeneratorError(f"the runs are of several sets ({', '.join(sorted(sets))}); measure each alone")
    groups = arms.arms_of(generators)
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
        report, shown = _measured(asked, generators, groups, extractors, images)
        page.write(report, shown, asked.out)
        return report


def _scored(
    asked: Asked, source: Source, reference: Source, extractor: Extractor, of_real: Features
) -> Scored:
    of_made = partial(_features, asked, source, extractor)
    if asked.keep_features:
        return scored(of_made, of_real, asked.splits)
    return scored_once(
        of_made,
        of_real,
        asked.splits,
        source=source,
        reference=reference,
        extractor=extractor,
        store=_store(asked),
    )


def _measured(
    asked: Asked,
    generators: Sequence[Generator],
    groups: Sequence[arms.Arm],
    extractors: Sequence[Extractor],
    images: DeviceImages,
) -> tuple[dict[str, Any], list[page.Shown]]:
    start = time.monotonic()
    reference = real(images, f"{asked.real} ({asked.split})", asked.references)
    labels = arms.labels_of(groups, generators)
    label_of = {number: label for arm, label in zip(groups, labels, strict=True) for number in arm.runs}
    of_reals = [_features(asked, reference, extractor) for extractor in extractors]
    chosen = ([arm.runs[0] for arm in groups] if len(groups) > 1 else groups[0].runs)[:SHOWN]
    records, shown = [], []
    for number, one in enumerate(generators):  # one network and one run's features at a time are in memory
        source = generated(one, asked.samples, asked.seed, asked.batch_size)
        label = label_of[number] + (f", seed {one.config.seed}" if len(generators) > len(groups) else "")
        found: dict[str, Any] = {**one.facts, "label": label, "scores": {}}
        found["warnings"] = warnings_of(one, source, reference)
        queries = None
        for extractor, of_real in zip(extractors, of_reals, strict=True):
            of_space, first = _scored(asked, source, reference, extractor, of_real)
            found["scores"][extractor.name] = of_space
            queries = first if queries is None else queries
        assert queries is not None  # at least one extractor is asked for
        if number in chosen:
            found["training"] = training_of(one)
            space = f"features of {extractors[0].name}", queries, of_reals[0][0]
            shown.append(shown_of(number, label, one, source, reference, space))
        records.append(found)
    facts = [
        extractor.facts
        | {
            "dimensions": of_real[0].shape[1],
            "classes": of_real[1].shape[1],
            "real_class_score": of_reference(of_real, asked.samples, asked.splits),
        }
        for extractor, of_real in zip(extractors, of_reals, strict=True)
    ]
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
        "arms": {it.name: arms.compared(groups, labels, records, it.name) for it in extractors},
        "runs": records,
        "seconds": time.monotonic() - start,
        "environment": record(gpu=asked.device.type == "cuda"),
    }
    return report, shown


def _features(asked: Asked, source: Source, extractor: Extractor) -> Features:
    with show_progress(f"images of {source.name}, {extractor.name}") as progress:
        return features_of(source, extractor, _store(asked), asked.batch_size, progress)


def _store(asked: Asked) -> Path:
    return asked.features or asked.out / STORE
