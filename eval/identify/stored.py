"""What a report.json of an identification must hold before another command believes it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ..report import ReportError


class _Part(BaseModel):
    model_config = ConfigDict(extra="ignore", strict=True, frozen=True, allow_inf_nan=False)


class _Model(_Part):
    sha256: str
    kind: str
    label: str
    provenance: dict[str, Any]


class _Template(_Part):
    kind: Literal["mean", "best", "image"]


class _Point(_Part):
    fpir: float = Field(gt=0, le=1)
    threshold_cosine: float
    resolution: str


class _OpenSet(_Part):
    points: list[_Point] = Field(min_length=1)


class _Results(_Part):
    enrolled: int = Field(gt=0)
    distractors: int = Field(ge=0)
    open_set: _OpenSet
    reference: _Point


class _Report(_Part):
    format: Literal[1]
    kind: Literal["identification"]
    model: _Model
    template: _Template
    flip: str
    results: _Results


def read(path: Path) -> dict[str, Any]:
    """A report.json of `eval identify`, or the one in a report's folder. Raises ReportError."""
    path = path / "report.json" if path.is_dir() else path
    try:
        report = json.loads(path.read_text(encoding="utf-8"))
        _Report.model_validate(report)
    except OSError as error:
        raise ReportError(f"{path}: the report cannot be read ({error.strerror})") from None
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "the report"
        raise ReportError(
            f"{path}: is not a report of python -m eval identify, or a damaged one ({place}: "
            f"{first['msg'][0].lower()}{first['msg'][1:]})"
        ) from None
    except (ValueError, RecursionError) as error:
        reason = "nested too deep" if isinstance(error, RecursionError) else error
        raise ReportError(f"{path}: is not JSON ({reason})") from None
    return report
