"""What the doctor writes: proposals.csv to apply, and report.html to look at, which holds its pictures."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import numpy as np

from sphereface_plus.data.crops import CropsError, read_crop
from sphereface_plus.data.faces import FaceCrops
from sphereface_plus.files import write_page, write_text
from sphereface_plus.pages import data_uri, render

from .examine import Examined
from .findings import KINDS, Entry, Finding
from .spreadsheet import quoted

PROPOSALS, PAGE = "proposals.csv", "report.html"
HEADER = ("action", "path", "identity", "kind", "finding", "group", "why")
SHOWN, SHOWN_CROPS, SIDE = 60, 12, 96
"""Findings of a kind on the page, crops of a finding, and the height of a picture in pixels."""


def write_report(examined: Examined, out: Path, *, title: str) -> None:
    """Writes both files, each whole or not at all; `out` is made if it is not there."""
    out.mkdir(parents=True, exist_ok=True)
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(HEADER)
    for number, finding in enumerate(examined.findings, start=1):
        for entry in finding.entries:
            action = "drop" if entry.drop else "look"
            identity = examined.crops.identities[examined.crops.labels[entry.crop]]
            name = examined.names[entry.crop]
            row = action, quoted(name), quoted(identity), finding.kind, number, entry.group, finding.words
            writer.writerow(row)
    write_text(out / PROPOSALS, buffer.getvalue())
    write_page(out / PAGE, _page(examined, title))


def _page(examined: Examined, title: str) -> str:
    numbers = {id(finding): number for number, finding in enumerate(examined.findings, start=1)}
    sections = []
    for kind, words in KINDS.items():
        found = examined.of_kind(kind)
        shown = [_shown(examined, finding, numbers[id(finding)]) for finding in found[:SHOWN]]
        crops = sum(len(finding.entries) for finding in found)
        drops = sum(entry.drop for finding in found for entry in finding.entries)
        section = {"kind": kind, "words": words, "count": len(found), "crops": crops, "drops": drops}
        sections.append({**section, "findings": shown})
    return render(
        Path(__file__).parent / "templates" / "doctor.html.j2",
        title=title,
        crops=len(examined.names),
        identities=len(examined.crops.identities),
        template=examined.crops.template,
        size=examined.crops.size,
        sections=sections,
        balance=_balance(examined),
        proposals=PROPOSALS,
    )


def _shown(examined: Examined, finding: Finding, number: int) -> dict[str, Any]:
    groups: dict[int, list[dict[str, Any]]] = {}
    for entry in [*_few(finding.entries), *finding.shown]:
        groups.setdefault(entry.group, []).append(_picture(examined, entry))
    return {
        "number": number,
        "words": finding.words,
        "groups": [groups[group] for group in sorted(groups)],
        "more": len(finding.entries) - len(_few(finding.entries)),
    }


def _few(entries: list[Entry]) -> list[Entry]:
    """Some of each group."""
    groups: dict[int, list[Entry]] = {}
    for entry in entries:
        groups.setdefault(entry.group, []).append(entry)
    room = max(1, SHOWN_CROPS // max(len(groups), 1))
    return [entry for group in groups.values() for entry in group[:room]]


def _picture(examined: Examined, entry: Entry) -> dict[str, Any]:
    crops = examined.against if entry.other else examined.crops
    assert crops is not None
    name = crops.keys[entry.crop] if entry.other else examined.names[entry.crop]
    return {
        "uri": _thumbnail(crops, entry.crop),
        "name": name,
        "identity": crops.identities[crops.labels[entry.crop]],
        "drop": entry.drop,
        "other": entry.other,
    }


def _thumbnail(crops: FaceCrops, index: int) -> str | None:
    try:
        return data_uri(read_crop(crops.paths[index]), quality=80, height=SIDE)
    except CropsError:
        return None


def _balance(examined: Examined) -> dict[str, Any]:
    """How unequally the crops are spread over the identities."""
    counts = np.sort(examined.counts)[::-1]
    tenth = counts[: max(1, len(counts) // 10)].sum() / counts.sum()
    edges = [1, 2, 3, 5, 10, 20, 50, 100, 200, 500, 1000]
    bins = []
    for low, high in zip(edges, [*edges[1:], None], strict=True):
        number = int(((counts >= low) & ((counts < high) if high else True)).sum())
        if number:
            label = f"{low}" if high == low + 1 else f"{low} to {high - 1}" if high else f"{low} or more"
            bins.append({"crops": label, "identities": number, "share": number / len(counts)})
    largest = [
        {"identity": examined.crops.identities[label], "crops": int(examined.counts[label])}
        for label in np.argsort(-examined.counts, kind="stable")[:10]
    ]
    return {"median": float(np.median(counts)), "tenth": float(tenth), "bins": bins, "largest": largest}
