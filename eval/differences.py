"""What a comparison says of two models on the same searches or pairs: differences by subject, plain data.

Shapes: Q searches, S subjects.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from .intervals import difference_by_subject, difference_of_counts
from .report_files import ReportError
from .threshold_differences import AtThreshold, difference_at_thresholds


def of_searches(base: np.ndarray, other: np.ndarray, subject: np.ndarray) -> dict[str, Any]:
    """base and other (Q,) bool: whether each is right; subject (Q,): whose each is."""
    return {
        **asdict(difference_by_subject(base, other, subject)),
        "only_base": int(np.sum(base & ~other)),
        "only_other": int(np.sum(other & ~base)),
    }


def of_counts(base: Sequence[float], other: Sequence[float], searches: Sequence[int]) -> dict[str, Any]:
    """base and other (S,): in how many of a subject's searches (S,) each is right, which is all that the
    interval and p depend on. Subjects for whom one is better are counted, not searches."""
    gain = np.asarray(other, dtype=np.float64) - np.asarray(base, dtype=np.float64)
    return {**asdict(difference_of_counts(gain, np.asarray(searches))), **_better(gain)}


def of_rates(
    base: AtThreshold, other: AtThreshold, searches: Sequence[int] | np.ndarray, *, errors: bool = False
) -> dict[str, Any]:
    """The same of rates at thresholds that were measured, whose errors count; errors: the rates are of what
    is wrong."""
    gain = other.counts - base.counts
    found = difference_at_thresholds(base, other, np.asarray(searches))
    return {**asdict(found), **_better(-gain if errors else gain)}


def of_tars(reports: Sequence[tuple[Mapping[str, Any], Mapping[str, Any], int]]) -> dict[str, Any]:
    """The difference of two TARs. reports: of either model the point of its report, its counts by subject,
    and the point's place among them."""
    base, other = (
        AtThreshold(
            np.array(counts["accepted"][place]),
            tuple(point["tar_at_threshold_interval"]),
            -np.array(counts["far_error"][place]),  # an FAR too high makes the threshold strict
        )
        for point, counts, place in reports
    )
    return of_rates(base, other, reports[0][1]["pairs"])


def _better(gain: np.ndarray) -> dict[str, int]:
    return {"base_better": int(np.sum(gain < 0)), "other_better": int(np.sum(gain > 0))}


def cells(difference: Mapping[str, Any] | None) -> list[str]:
    """Difference, interval and p in the cells of a table, empty where there is none."""
    if difference is None:
        return ["", "", ""]
    (low, high), p = difference["interval"], difference["p_value"]
    return [
        f"{100 * difference['difference']:+.2f}",
        f"{100 * low:+.2f} .. {100 * high:+.2f}",
        "" if p is None else p_text(p),
    ]


def p_text(p: float) -> str:
    """A p-value with the digits that mean something."""
    return "< 0.0001" if p < 1e-4 else f"{p:.4f}" if p < 0.1 else f"{p:.2f}"


def check_same(
    reports: Sequence[Mapping[str, Any]],
    names: Sequence[str],
    parts: Mapping[str, Callable[[Mapping[str, Any]], object]],
) -> None:
    """Raises ReportError where a report is not of what the first one is of.

    names: where the reports lie; parts: what has to be the same, in words -> a function that gets it.
    """
    for report, name in zip(reports[1:], names[1:], strict=True):
        for what, of in parts.items():
            if of(report) != of(reports[0]):
                raise ReportError(
                    f"{name} and {names[0]} have other {what}; a paired test needs the same searches in the "
                    "same gallery, so measure both models on one"
                )
