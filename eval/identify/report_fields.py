"""What a report.json of an identification must hold before another command believes it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from ..report_fields import Cmc, Det, Part
from ..report_files import ReportError, content_of, validated
from ..resolutions import Resolution


class _Model(Part):
    sha256: str
    kind: str
    label: str
    provenance: dict[str, Any]
    input: dict[str, Any] | None


class _Template(Part):
    kind: Literal["mean", "best", "image"]


class _Mates(Part):
    kind: Literal["best", "each"]


class _Point(Part):
    fpir: float = Field(gt=0, le=1)
    fnir: float = Field(ge=0, le=1)
    threshold_cosine: float
    resolution: Resolution


class _OpenSet(Part):
    rank: int | None = Field(ge=1)
    nonmated: int = Field(gt=0)
    points: list[_Point] = Field(min_length=1)
    det: Det


class _Rank(Part):
    rank: int
    share: float = Field(ge=0, le=1)
    interval: list[float] = Field(min_length=2, max_length=2)


class _BySize(Part):
    distractors: int = Field(ge=0)
    mean: float = Field(ge=0, le=1)


class _Results(Part):
    ranks: list[_Rank] = Field(min_length=1)
    cmc: Cmc
    by_distractors: list[_BySize]
    enrolled: int = Field(gt=0)
    distractors: int = Field(ge=0)
    open_set: _OpenSet
    reference: _Point


class _Preparation(Part):
    settings: dict[str, Any]


class _Set(Part):
    role: str
    preparation: _Preparation


class _PerSearch(Part):
    probe: list[str]
    person: list[str]
    mate_score: list[float | None]
    other_score: list[float | None]
    above: list[int | None]


class _Report(Part):
    format: Literal[1]
    kind: Literal["identification"]
    title: str
    model: _Model
    template: _Template
    mates: _Mates = _Mates(kind="best")  # as reports were before one could ask
    flip: str
    results: _Results
    sets: list[_Set] = Field(min_length=1)
    leave_one_out: bool
    per_search: _PerSearch


def read(path: Path) -> dict[str, Any]:
    """A report.json of `eval identify`, or the one in a report's folder. Raises ReportError."""
    needed = "an identification report is needed: a folder that `python -m eval identify` wrote"
    path, report = content_of(path, needed, "identification")
    report = validated(report, path, _Report, "identify")
    lengths = {len(report["per_search"][name]) for name in _PerSearch.model_fields}
    if len(lengths) > 1:
        raise ReportError(f"{path}: is damaged, its lists per search differ in length; make it again")
    return report
