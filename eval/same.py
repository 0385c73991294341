"""Whether two photos show the same person, by the thresholds of a report on the same model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import TypeAdapter, ValidationError

from sphereface_plus.config import InputSpec, to_dict
from sphereface_plus.kfold import cosine_scores

from .one_photo import crop_of_photo
from .protocols import PROTOCOLS
from .report import ReportError, checked, read
from .report_fields import ThresholdReport

if TYPE_CHECKING:
    from data_prep.settings import Cropping
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


def check_same_model(report: Mapping[str, Any], origin: Path, embedder: Embedder) -> None:
    """Raises ReportError where the report's thresholds are another model's, or of other crops."""
    about = report["model"]
    if about["sha256"] != embedder.fingerprint:
        raise ReportError(
            f"{origin}: is of another model, {about['label']} (sha256 {about['sha256'][:12]}...), and "
            f"{embedder.name} has {embedder.fingerprint[:12]}...; make a report of this one"
        )
    if about["input"] != to_dict(embedder.input):
        raise ReportError(
            f"{origin}: is of crops of another input spec, {about['input']}, and this would be "
            f"{to_dict(embedder.input)}; give the --input that the report was made with"
        )


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
    return crop_of_photo(photo, spec, lambda: _cropping(settings, spec, origin), face)


def _cropping(settings: Mapping[str, Any], spec: InputSpec, origin: Path) -> Cropping:
    """How the report's photos were aligned. Raises ReportError where that cannot be repeated."""
    from data_prep.cropping import make_detector
    from data_prep.errors import PrepError
    from data_prep.settings import Cropping
    from data_prep.turning import SETTINGS as TURNING

    if not settings or settings.get("landmarks_sha256") is not None:
        by = "by a detector" if settings else "at all"
        raise ReportError(
            f"{origin}: does not say that its crops were aligned {by}, so that photos cannot be aligned in "
            "the same way; give two crops that were made as its crops were"
        )
    known = {each.name for each in fields(Cropping)} & settings.keys()
    try:
        told = {**{name: settings[name] for name in known}, "face": "centre"}
        cropping = TypeAdapter(Cropping).validate_python(told)  # JSON's lists become tuples
        detector = make_detector(cropping).settings
    except (PrepError, ValidationError) as error:
        reason = error.errors()[0]["msg"] if isinstance(error, ValidationError) else error
        raise ReportError(f"{origin}: is damaged ({reason}); make it again with python -m eval") from None
    same = cropping.template == spec.template and _plain(detector) == settings.get("detector")
    if not same or settings.get("turning") != _plain(TURNING):
        raise ReportError(
            f"{origin}: its photos were aligned to {cropping.template} by another detector, or to another "
            f"template than {spec.template}; make the report again"
        )
    return cropping


def _plain(value: Any) -> Any:
    """As JSON gives it back."""
    if isinstance(value, Mapping):
        return {key: _plain(each) for key, each in value.items()}
    return [_plain(each) for each in value] if isinstance(value, list | tuple) else value


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
