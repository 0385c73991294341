"""What a report.json of IJB must hold before a comparison believes it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from ..report_fields import Cmc, Curve, Det, Part
from ..report_files import ReportError, content_of, validated
from ..resolutions import Resolution


class _Model(Part):
    sha256: str | None
    label: str
    flip: str


class _Templates(Part):
    kind: str
    weight: str


class _File(Part):
    # `is` is no name in Python
    what: str = Field(alias="is")
    sha256: str


class _Tar(Part):
    far: float
    tar: float
    tar_at_threshold_interval: list[float] | None = Field(min_length=2, max_length=2)
    resolution: Resolution


class _OfPairs(Part):
    subject: list[int]
    pairs: list[int]
    accepted: list[list[int]]
    far_error: list[list[float]]


class _Verification(Part):
    impostor: int = Field(gt=0)
    tar_at_far: list[_Tar] = Field(min_length=1)
    by_subject: _OfPairs | None
    roc: Curve


class _Point(Part):
    fpir: float
    fnir: float
    fnir_at_threshold_interval: list[float] = Field(min_length=2, max_length=2)
    resolution: Resolution


class _OpenSet(Part):
    rank: int | None
    nonmated: int = Field(gt=0)
    points: list[_Point] = Field(min_length=1)
    det: Det


class _Rank(Part):
    rank: int
    share: float


class _OfSearches(Part):
    subject: list[int]
    searches: list[int]
    first: list[int]
    missed: list[list[int]]
    unknown: list[int]
    searches_of_unknown: list[int]
    returned: list[list[int]]


class _Gallery(Part):
    name: str
    ranks: list[_Rank] = Field(min_length=1)
    cmc: Cmc
    open_set: _OpenSet
    by_subject: _OfSearches


class _Identification(Part):
    galleries: list[_Gallery] = Field(min_length=2, max_length=2)


class _Report(Part):
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
    # Counts by subject, each list; lists of these; and of how many points the latter have to be.
    parts: list[tuple[list[list], list[list[list]], int]] = []
    if (pairs := report["verification"]) is not None and (of := pairs["by_subject"]) is not None:
        lists = [of["accepted"], of["far_error"]]
        parts.append(([of["subject"], of["pairs"]], lists, len(pairs["tar_at_far"])))
    for gallery in (report["identification"] or {"galleries": []})["galleries"]:
        of, points = gallery["by_subject"], len(gallery["open_set"]["points"])
        parts.append(([of["subject"], of["searches"], of["first"]], [of["missed"]], points))
        parts.append(([of["unknown"], of["searches_of_unknown"]], [of["returned"]], points))
    for each, of_points, number in parts:
        lengths = {len(values) for values in [*each, *(one for lists in of_points for one in lists)]}
        if len(lengths) > 1 or {len(lists) for lists in of_points} != {number}:
            raise ReportError(f"{path}: is damaged, its counts by subject differ in length; make it again")
    return report
