"""What a report.json must hold before another command believes it.

The file may be damaged, edited by hand, of another program, or of a part of this one (data_prep writes a
report.json, too). Fields that no reader needs are not looked at.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, PositiveInt, ValidationError

from .resolutions import Resolution

FORMAT = 1


class Part(BaseModel):
    """A part of a report."""

    # On JSON's own types: "3" is not a number, true no count, and Infinity, which json reads, no score.
    model_config = ConfigDict(extra="ignore", strict=True, frozen=True, allow_inf_nan=False)


class Curve(Part):
    """A ROC."""

    far: list[float] = Field(min_length=1)
    tar: list[float] = Field(min_length=1)


class Det(Part):
    """A DET curve."""

    fpir: list[float]
    fnir: list[float]


class Cmc(Part):
    rank: list[int]
    share: list[float]


class _Pairs(Part):
    sha256: str


class _Protocol(Part):
    name: str


class _Model(Part):
    provenance: dict[str, Any]


class _Results(Part):
    accuracy: float = Field(ge=0, le=1)


class Report(Part):
    """What every reader needs."""

    format: Literal[1]
    pairs: _Pairs
    protocol: _Protocol
    model: _Model
    results: _Results
    per_pair: dict[str, Any]


class _ComparedPairs(_Pairs):
    count: PositiveInt
    genuine: PositiveInt
    impostor: PositiveInt


class _ComparedModel(_Model):
    label: str
    sha256: str
    flip: str


class _Point(Part):
    far: float = Field(gt=0, le=1)
    tar: float = Field(ge=0, le=1)
    resolution: Resolution


class _ComparedResults(_Results):
    accuracy_interval: list[float] = Field(min_length=2, max_length=2)
    accuracy_std: float = Field(ge=0)
    equal_error_rate: float = Field(ge=0, le=1)
    auc: float = Field(ge=0, le=1)
    tar_at_far: list[_Point]


class _PerPair(Part):
    genuine: list[Literal[0, 1]]
    fold: list[PositiveInt]
    score: list[float]
    correct: list[Literal[0, 1]]
    first: list[str]
    second: list[str]


class ComparedReport(Report):
    """What a comparison needs beside it."""

    title: str
    pairs: _ComparedPairs
    model: _ComparedModel
    results: _ComparedResults
    per_pair: _PerPair


class _ThresholdModel(_Model):
    label: str
    kind: str
    sha256: str
    flip: str
    input: dict[str, Any] | None


class _Threshold(_Point):
    false_accepts: int = Field(ge=0)
    threshold_cosine: float | None


class _ThresholdResults(_Results):
    thresholds_cosine: list[float] = Field(min_length=1)
    tar_at_far: list[_Threshold]


class _Preparation(Part):
    settings: dict[str, Any]


class ThresholdReport(Report):
    """What deciding about other photos needs."""

    pairs: _ComparedPairs
    model: _ThresholdModel
    results: _ThresholdResults
    preparation: _Preparation


def problem(report: Any, shape: type[Report]) -> str | None:
    """What the report lacks, as the end of a sentence; None where it holds all. report: JSON's data."""
    try:
        shape.model_validate(report)
    except ValidationError as error:
        first, others = error.errors()[0], error.error_count() - 1
        place = ".".join(map(str, first["loc"])) or "the report"
        more = f", and {others:,} more" if others else ""
        if first["type"] == "missing":
            return f"{place} is missing{more}"
        words = first["msg"][0].lower() + first["msg"][1:]
        return f"{place}: {words}, got {first['input']!r:.100}{more}"
    if shape is ComparedReport:
        return _contradiction(report)
    return None


def _contradiction(report: dict[str, Any]) -> str | None:
    """Whether the lists per pair and the counts go together."""
    pairs, per_pair = report["pairs"], report["per_pair"]
    for name in _PerPair.model_fields:
        if len(per_pair[name]) != pairs["count"]:
            return f"per_pair.{name} has {len(per_pair[name]):,} values for {pairs['count']:,} pairs"
    if sum(per_pair["genuine"]) != pairs["genuine"] or pairs["genuine"] + pairs["impostor"] != pairs["count"]:
        return "its counts of genuine and impostor pairs and per_pair.genuine contradict each other"
    correct, fold = np.array(per_pair["correct"]), np.array(per_pair["fold"])
    accuracy = float(np.mean([correct[fold == number].mean() for number in np.unique(fold)]))
    if abs(accuracy - report["results"]["accuracy"]) > 1e-9:
        return f"per_pair.correct gives the accuracy {accuracy:.6f}, results.accuracy says otherwise"
    return None
