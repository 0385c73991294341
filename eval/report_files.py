"""A report.json from its file, before anything in it is believed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from sphereface_plus.data.formats.kinds import Kind, refusal
from sphereface_plus.errors import UserError

from .report_fields import FORMAT, Report, problem


class ReportError(UserError):
    """A report.json that cannot be used; the message names the file."""


def read(path: str | Path) -> dict[str, Any]:
    """A report.json, or the one in a report's folder. Raises ReportError."""
    needed = "a verification report is needed: a folder that `python -m eval verify` wrote"
    path, report = content_of(Path(path), needed, "report")
    if not isinstance(report, dict) or report.get("format") != FORMAT or "per_pair" not in report:
        raise ReportError(
            f"{path}: is not a verification report of format {FORMAT}; make it with python -m eval"
        )
    return checked(report, str(path), Report)


def content_of(path: Path, needed: str, kind: Kind) -> tuple[Path, Any]:
    """The file of a report, which a folder may stand for, and what its JSON holds.

    needed: what is asked for, in words; kind: the kind of file (kinds.py). Raises ReportError.
    """
    if (words := refusal(path, needed, takes=[kind])) is not None:
        raise ReportError(words)
    if not path.exists():
        raise ReportError(f"{path}: there is no such report; {needed}")
    if path.is_dir() and not (path / "report.json").is_file():
        raise ReportError(f"{path}: is a folder without a report.json; {needed}")
    path = path / "report.json" if path.is_dir() else path
    try:
        return path, json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ReportError(f"{path}: the report cannot be read ({error.strerror})") from None
    except (ValueError, RecursionError) as error:
        reason = "nested too deep" if isinstance(error, RecursionError) else error
        raise ReportError(f"{path}: is not JSON ({reason})") from None


def kind_said(path: Path) -> str | None:
    """What a report.json, or the one in a report's folder, says that it is: identification, megaface, ijb;
    None for one of verification, and for what is none."""
    path = path / "report.json" if path.is_dir() else path
    try:
        report = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    kind = report.get("kind") if isinstance(report, dict) else None
    return kind if isinstance(kind, str) else None


def validated(report: Any, path: Path, shape: type[BaseModel], command: str) -> dict[str, Any]:
    """The report, if it holds what the shape asks for of those that a command writes. Raises ReportError."""
    try:
        shape.model_validate(report)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "the report"
        raise ReportError(
            f"{path}: is not a report of python -m eval {command}, or a damaged or older one ({place}: "
            f"{first['msg'][0].lower()}{first['msg'][1:]}); make it again"
        ) from None
    return report


def checked(report: dict[str, Any], name: str, shape: type[Report]) -> dict[str, Any]:
    """The report, if it holds what the shape asks for. Raises ReportError."""
    wrong = problem(report, shape)
    if wrong is not None:
        raise ReportError(
            f"{name}: is damaged or no verification report of ours ({wrong}); make it again "
            "with python -m eval"
        )
    return report
