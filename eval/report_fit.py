"""Whether the thresholds of a report hold for another photo: the same model, input spec and alignment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from pydantic import TypeAdapter, ValidationError

from sphereface_plus.config import InputSpec
from sphereface_plus.embedding import Flip

from .report_files import ReportError

if TYPE_CHECKING:
    from data_prep.settings import Cropping

ALIGNMENT = ("template", "fit", "warp", "detector", "turning", "landmarks_sha256")
"""The settings of data_prep that change a crop, and not only whether there is one."""


def check_same_model(about: Mapping[str, Any], origin: Path, here: Mapping[str, Any]) -> list[str]:
    """What the report leaves open, in sentences.

    about: the report's record of its model; here: that of the one at hand, whose `provenance` may name
    another that embeddings are from. Raises ReportError where the report is of another model, or of crops
    of another input spec.
    """
    theirs, ours = fingerprint(about), fingerprint(here)
    if theirs and ours and theirs != ours:
        raise ReportError(
            f"{origin}: is of another model, {about['label']} (sha256 {theirs[:12]}...), and "
            f"{here['label']} has {ours[:12]}...; its thresholds say nothing about this one, make a report "
            "of it"
        )
    if about["input"] and here["input"] and about["input"] != here["input"]:
        raise ReportError(
            f"{origin}: is of crops of another input spec, {about['input']}, and this would be "
            f"{here['input']}; give the --input that the report was made with"
        )
    if not theirs:
        return [
            f"{origin}: does not say which model its embeddings are of; its thresholds hold only if it was "
            "this one"
        ]
    return []


def fingerprint(record: Mapping[str, Any]) -> str:
    """sha256 of the model in a report's record; empty where a file of embeddings does not state it."""
    if record["kind"] == "embeddings":
        return record["provenance"].get("from model", "")
    return record["sha256"]


def states_flip(record: Mapping[str, Any]) -> bool:
    """Whether the flip fusion of a report's record is known, and not only asked for."""
    return record["flip"] in get_args(Flip)


def check_same_alignment(
    theirs: Mapping[str, Any], ours: Mapping[str, Any], origin: Path, place: Path
) -> None:
    """Raises ReportError where the crops of `place` were made otherwise than the report's, as far as both
    say how: settings of data_prep, empty where they are not known."""
    if not theirs or not ours:
        return
    differ = [name for name in ALIGNMENT if _plain(theirs.get(name)) != _plain(ours.get(name))]
    if differ:
        raise ReportError(
            f"{origin}: its crops were aligned otherwise than those of {place} ({', '.join(differ)} differ), "
            "and its thresholds say nothing about these; align both in one way, and make the report again"
        )


def cropping_of(settings: Mapping[str, Any], spec: InputSpec, origin: Path) -> Cropping:
    """How the report's photos were aligned. Raises ReportError where that cannot be repeated."""
    from data_prep.cropping import make_detector
    from data_prep.errors import PrepError
    from data_prep.settings import Cropping
    from data_prep.turning import SETTINGS as TURNING

    if not settings or settings.get("landmarks_sha256") is not None:
        by = "by a detector" if settings else "at all"
        raise ReportError(
            f"{origin}: does not say that its crops were aligned {by}, so that photos cannot be aligned in "
            "the same way; give crops that were made as its crops were"
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
