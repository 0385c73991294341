"""Error rates by group in a few lines, for the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sphereface_plus.words import counted

from .resolutions import CANNOT, Resolution

MOST_GROUPS = 10
"""Of a column; the page has all."""
OF_PAIRS = (("FNMR", "fnmr"), ("FMR", "fmr"))
OF_SEARCHES = (("rank-1", "rank1"), ("FNIR", "fnir"), ("FPIR", "fpir"))


def group_lines(groups: Mapping[str, Any], rates: Sequence[tuple[str, str]]) -> list[str]:
    """A line a group, under one for each column of the CSV. groups: a report's `per_group`; rates: their
    names, and their fields there, None where a group has none."""
    lines = []
    for column in groups["columns"]:
        lines.append(f"by {column['name']}{_at(groups)}, 95 % by person:")
        for group in column["groups"][:MOST_GROUPS]:
            parts = [f"{name} {_rate(group[field])}" for name, field in rates if group[field] is not None]
            name = "not stated" if group["group"] is None else group["group"]
            lines.append(f"  {name}: {'; '.join([counted(group['people'], 'person'), *parts])}")
        if (more := len(column["groups"]) - MOST_GROUPS) > 0:
            lines.append(f"  {counted(more, 'group')} more on the page")
    if elsewhere := groups["people_elsewhere"]:
        names = f", such as {groups['people_elsewhere_are']}" if groups["people_elsewhere_are"] else ""
        who = "1 person who is" if elsewhere == 1 else f"{elsewhere:,} people who are"
        lines.append(f"  {groups['file']} names {who} not here{names}; is a name misspelt?")
    return lines


def _at(groups: Mapping[str, Any]) -> str:
    if "fpir" not in groups:
        return " at the thresholds of all pairs"
    fpir = f"FPIR {groups['fpir']:g}{unsure_words(groups)}"
    return f" at the threshold {groups['threshold_cosine']:.4f} of all searches ({fpir})"


def unsure_words(groups: Mapping[str, Any]) -> str:
    """What stands behind the FPIR of all that groups are compared at, where it is not resolved."""
    unsure: Resolution = groups["resolution"]
    return f", which so few searches {CANNOT[unsure]}" if unsure in CANNOT else ""


def _rate(rate: Mapping[str, Any]) -> str:
    low, high = rate["interval"]
    return f"{100 * rate['share']:.2f} % ({100 * low:.2f} to {100 * high:.2f})"
