"""Tables over seeds: mean and spread of each group of reports, and its difference to a baseline."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .compare import markdown
from .report_files import ReportError, read


@dataclass(frozen=True)
class Group:
    """Reports that differ in the seed alone."""

    name: str
    accuracy: dict[int, float]
    """By seed."""


@dataclass(frozen=True)
class Paired:
    """Mean over seeds of a group's accuracy minus the baseline's, and the t interval of these differences."""

    mean: float
    low: float
    high: float


def read_group(pattern: str) -> tuple[Group, list[dict[str, Any]]]:
    """The group of a glob of reports (folders or report.json files). Raises ReportError."""
    root = Path("/") if pattern.startswith("/") else Path()
    paths = sorted(root.glob(pattern.lstrip("/")))
    if len(paths) < 2:
        raise ReportError(
            f"{pattern}: {'one report' if paths else 'no report'} found; a group is two or more of the same "
            "pairs, which differ in the seed, named together by a pattern such as 'runs/mine_seed*/lfw', in "
            "quotes"
        )
    reports = [read(path) for path in paths]
    accuracy: dict[int, float] = {}
    for path, report in zip(paths, reports, strict=True):
        seed = report["model"]["provenance"].get("seed")
        if not isinstance(seed, int):
            raise ReportError(
                f"{path}: does not say its seed; reports of a run, of a checkpoint, and of a file exported "
                "from one do"
            )
        if seed in accuracy:
            raise ReportError(f"{pattern}: two reports have seed {seed}; a group differs in the seed alone")
        accuracy[seed] = report["results"]["accuracy"]
    return Group(pattern, accuracy), reports


def paired(group: Group, baseline: Group, *, level: float = 0.95) -> Paired:
    """Seed by seed: runs of one seed share what chance did. Raises ReportError where the seeds differ."""
    from scipy.special import stdtrit  # quantiles of Student's t

    if group.accuracy.keys() != baseline.accuracy.keys():
        raise ReportError(
            f"{group.name} has the seeds {sorted(group.accuracy)}, {baseline.name} "
            f"{sorted(baseline.accuracy)}; a paired difference needs the same ones"
        )
    gains = np.array([group.accuracy[seed] - baseline.accuracy[seed] for seed in sorted(group.accuracy)])
    half = float(stdtrit(len(gains) - 1, (1 + level) / 2) * gains.std(ddof=1) / np.sqrt(len(gains)))
    return Paired(float(gains.mean()), float(gains.mean()) - half, float(gains.mean()) + half)


def table(patterns: Sequence[str], against: str) -> str:
    """A Markdown table: the baseline, then each group against it.

    Raises ReportError, also where pairs or protocol are not the same in all reports.
    """
    groups, measured = [], {}
    for pattern in (against, *patterns):
        group, reports = read_group(pattern)
        groups.append(group)
        for report in reports:
            measured[report["pairs"]["sha256"], report["protocol"]["name"]] = pattern
    if len(measured) > 1:
        raise ReportError(
            f"the reports are not of one measurement: {', '.join(sorted(set(measured.values())))} differ in "
            "pairs or protocol"
        )
    rows = [["reports", "seeds", "accuracy %", "sd", "difference", "95 % t interval"]]
    for group in groups:
        values = 100 * np.array(list(group.accuracy.values()))
        row = [group.name, str(len(values)), f"{values.mean():.2f}", f"{values.std(ddof=1):.2f}"]
        if group is not groups[0]:
            gain = paired(group, groups[0])
            row += [f"{100 * gain.mean:+.2f}", f"{100 * gain.low:+.2f} .. {100 * gain.high:+.2f}"]
        rows.append(row + [""] * (6 - len(row)))
    return markdown(rows)
