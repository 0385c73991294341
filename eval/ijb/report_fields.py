"""What a report.json of IJB must hold before a comparison believes it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from ..report import ReportError, content_of, validated

Resolution = Literal["resolved", "coarse", "unresolved"]


class _Part(BaseModel):
    model_config = ConfigDict(extra="ignore", strict=True, frozen=True, allow_inf_nan=False)


class _Model(_Part):
    sha256: str | None
    label: str
    flip: str


class _Templates(_Part):
    kind: str
    weight: str


class _File(_Part):
    # `is` is no name in Python
    what: str = Field(alias="is")
    sha256: str


class _Tar(_Part):
    far: float
    tar: float
    resolution: Resolution


class _Curve(_Part):
    far: list[float] = Field(min_length=1)
    tar: list[float] = Field(min_length=1)


class _OfPairs(_Part):
    subject: list[int]
    pairs: list[int]
    accepted: list[list[int]]


class _Verification(_Part):
    impostor: int = Field(gt=0)
    tar_at_far: list[_Tar] = Field(min_length=1)
    by_subject: _OfPairs | None
    roc: _Curve


class _Point(_Part):
    fpir: float
    fnir: float
    resolution: Resolution


class _Det(_Part):
    fpir: list[float]
    fnir: list[float]


class _OpenSet(_Part):
    rank: int | None
    nonmated: int = Field(gt=0)
    points: list[_Point] = Field(min_length=1)
    det: _Det


class _Rank(_Part):
    rank: int
    share: float


class _Cmc(_Part):
    rank: list[int]
    share: list[float]


class _OfSearches(_Part):
    subject: list[int]
    searches: list[int]
    first: list[int]
    missed: list[list[int]]


class _Gallery(_Part):
    name: str
    ranks: list[_Rank] = Field(min_length=1)
    cmc: _Cmc
    open_set: _OpenSet
    by_subject: _OfSearches


class _Identification(_Part):
    galleries: list[_Gallery] = Field(min_length=2, max_length=2)


class _Report(_Part):
    format: Literal[1]
    kind: Literal["ijb"]
    title: str
    model: _Model
    templates: _Templates
    template_count: int
    files: list[_File]
    verification: _Verification | None
    identification: _Identification | None


def read(path: Path) -> dict[str, Any]:
    """A report.json of `eval ijb`, or the one in a report's folder. Raises ReportError."""
    needed = "a report of IJB-B or IJB-C is needed: a folder that `python -m eval ijb` wrote"
    path, content = content_of(path, needed, "ijb")
    report = validated(content, path, _Report, "ijb")
    parts = []  # counts by subject, and how many lists of them there have to be
    if (pairs := report["verification"]) is not None and pairs["by_subject"] is not None:
        parts.append((pairs["by_subject"], "accepted", len(pairs["tar_at_far"])))
    for gallery in (report["identification"] or {"galleries": []})["galleries"]:
        parts.append((gallery["by_subject"], "missed", len(gallery["open_set"]["points"])))
    for counts, name, number in parts:
        lists = [values for key, values in counts.items() if key != name] + counts[name]
        if len({len(values) for values in lists}) > 1 or len(counts[name]) != number:
            raise ReportError(f"{path}: is damaged, its counts by subject differ in length; make it again")
    return report
