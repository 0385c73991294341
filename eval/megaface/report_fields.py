"""What a report.json of MegaFace must hold before a comparison believes it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from ..report_fields import Curve, Part
from ..report_files import ReportError, content_of, validated
from ..resolutions import Resolution


class _Model(Part):
    sha256: str | None
    label: str


class _Noise(Part):
    sha256: str


class _Side(Part):
    sha256: str
    noise: _Noise | None


class _Rank(Part):
    rank: int
    rate: float = Field(ge=0, le=1)


class _Size(Part):
    size: int = Field(gt=0)
    distractors: list[int] = Field(min_length=1)
    ranks: list[_Rank] = Field(min_length=1)


class _Point(Part):
    far: float = Field(gt=0, le=1)
    tar: float = Field(ge=0, le=1)
    tar_at_threshold_interval: list[float] = Field(min_length=2, max_length=2)
    resolution: Resolution


class _Verification(Part):
    size: int = Field(gt=0)
    impostor: int = Field(gt=0)
    tar_at_far: list[_Point] = Field(min_length=1)
    roc: Curve


class _ByPerson(Part):
    person: list[int]
    searches: list[int]
    first: list[list[list[int]]] = Field(min_length=1)
    pairs: list[int]
    accepted: list[list[int]]
    far_error: list[list[float]]


class _OverSets(Part):
    far: float
    mean: float
    deviation: float | None


class _Numbers(Part):
    probes: int
    people: int
    searches: int
    sizes: list[_Size] = Field(min_length=1)
    verification: list[_Verification] = Field(min_length=1)
    by_person: _ByPerson
    tar_over_sets: list[_OverSets] = Field(min_length=1)


class _Report(Part):
    format: Literal[1]
    kind: Literal["megaface"]
    title: str
    model: _Model
    flip: str
    probes: _Side
    distractors: _Side
    results: dict[Literal["raw", "cleaned"], _Numbers] = Field(min_length=1)


def read(path: Path) -> dict[str, Any]:
    """A report.json of `eval megaface`, or the one in a report's folder. Raises ReportError."""
    needed = "a report of MegaFace is needed: a folder that `python -m eval megaface` wrote"
    path, report = content_of(path, needed, "megaface")
    report = validated(report, path, _Report, "megaface")
    for numbers in report["results"].values():
        people, points = numbers["by_person"], numbers["verification"][-1]["tar_at_far"]
        of_points = [people["accepted"], people["far_error"]]
        lists = [people["searches"], people["pairs"], *(of_far for each in of_points for of_far in each)]
        lists += [of_size for of_set in people["first"] for of_size in of_set]
        sizes = {len(of_set) for of_set in people["first"]} | {len(numbers["sizes"])}
        if (
            {len(each) for each in lists} != {len(people["person"])}
            or len(sizes) > 1
            or {len(each) for each in (*of_points, numbers["tar_over_sets"])} != {len(points)}
        ):
            raise ReportError(f"{path}: is damaged, its counts by person differ in length; make it again")
    return report
