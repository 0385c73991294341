"""Whether two photos show the same person, by the thresholds of a report on the same model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sphereface_plus.config import InputSpec
from sphereface_plus.kfold import cosine_scores

from .one_photo import crop_of_photo
from .protocols import PROTOCOLS
from .report_fields import ThresholdReport
from .report_files import ReportError, checked, read
from .report_fit import cropping_of

if TYPE_CHECKING:
    from sphereface_plus.embedding import Embedder, Flip


@dataclass(frozen=True)
class Decision:
    """What one of the report's thresholds makes of a score."""

    name: str
    """`the best accuracy`, `FAR 1 %`."""
    threshold: float
    """Cosine."""
    same: bool
    measured: str
    """How often it was right in the report."""


def read_thresholds(path: Path) -> dict[str, Any]:
    """A report whose thresholds serve for other photos than its own. Raises ReportError."""
    report = checked(read(path), str(path), ThresholdReport)
    name, flip = report["protocol"]["name"], report["model"]["flip"]
    protocol = PROTOCOLS.get(name)
    if protocol is None:
        raise ReportError(f"{path}: is of the protocol {name}, which is not known here")
    if protocol.centred:
        raise ReportError(
            f"{path}: is of the protocol {name}, which subtracts the mean of many photos; two photos have "
            "none, so make a report with --protocol cosine"
        )
    if flip != protocol.flip:
        raise ReportError(
            f"{path}: does not state the flip fusion of its embeddings ({flip}), so that no photo can be "
            "embedded in the same way; make a report from the model itself"
        )
    return report


def compared(
    embedder: Embedder, report: Mapping[str, Any], origin: Path, photos: tuple[Path, Path], face: str | None
) -> tuple[float, list[str]]:
    """The cosine of two photos or crops, and what is to be said about how they were aligned.

    An image of exactly the size of the model's crops is taken for a crop, as `verify` does; any other is
    aligned first, with the settings of the report. face: which of several faces is meant (detection.pick);
    None: a photo of several is refused.
    Raises PhotosError, ReportError, and PrepError for what is not an image.
    """
    crops, notes = [], []
    for photo in photos:
        crop, note = crop_of(photo, embedder.input, report["preparation"]["settings"], origin, face)
        crops.append(crop)
        notes += note
    precision = report["model"].get("precision") or "fp32"
    embedder = replace(embedder, precision=precision if precision in ("bf16", "fp16") else "fp32")
    flip: Flip = report["model"]["flip"]
    first, second = embedder.embed(np.stack(crops), flip)
    return float(cosine_scores(first[None], second[None])[0]), notes


def crop_of(
    photo: Path, spec: InputSpec, settings: Mapping[str, Any], origin: Path, face: str | None
) -> tuple[np.ndarray, list[str]]:
    """The crop uint8 RGB (H, W, 3) of a photo, and notes on it. Raises as `compared` does."""
    return crop_of_photo(photo, spec, lambda: cropping_of(settings, spec, origin), face)


def decisions(report: Mapping[str, Any], score: float) -> tuple[list[Decision], list[float]]:
    """What each of the report's thresholds makes of a score, and the FARs that its pairs do not resolve."""
    numbers = report["results"]
    middle = float(np.mean(numbers["thresholds_cosine"]))
    accuracy = f"{100 * numbers['accuracy']:.2f} % of the pairs were right"
    found, unresolved = [Decision("the best accuracy", middle, score > middle, accuracy)], []
    for point in numbers["tar_at_far"]:
        threshold = point["threshold_cosine"]
        if point["resolution"] == "unresolved" or threshold is None:
            unresolved.append(point["far"])
            continue
        measured = f"{100 * point['tar']:.2f} % of the genuine pairs were accepted"
        if point["resolution"] == "coarse":
            measured += f"; coarse: {point['false_accepts']:,} false accepts tell"
        found.append(Decision(f"FAR {100 * point['far']:g} %", threshold, score >= threshold, measured))
    return found, unresolved
