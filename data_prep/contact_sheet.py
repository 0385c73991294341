"""Crops with their landmarks on a page, the least sure first: a person sees whether alignment is right.

A page and no picture: an image beside the people's folders makes `datasets`' imagefolder forget the labels.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from sphereface_plus.data.formats.manifest import LANDMARK_COLUMNS, ManifestRow
from sphereface_plus.files import write_page
from sphereface_plus.pages import data_uri, render

from .alignment import ALIGNMENT_TEMPLATES, AlignmentTemplate, Fit, similarity
from .doubts import Doubts, doubt, reasons, rivalry
from .images import PhotoError, read_photo

CONTACT_SHEET = "contact_sheet.html"
_LEAST_SURE, _OF_EACH, _OTHERS = 48, 24, 24
"""Crops at most of a section: the first, each of the doubts, and the last."""


def write_contact_sheet(folder: Path, rows: Sequence[ManifestRow], doubts: Doubts, fit: Fit) -> None:
    """Writes folder/contact_sheet.html, whole or not at all, which holds all that it shows.

    rows: the manifest's, of one alignment template and at least one; the crops lie in the folder
    """
    template = ALIGNMENT_TEMPLATES[rows[0].template]
    sections = _sections(rows, doubts)
    for section in sections:
        section["figures"] = [_figure(folder, row, template, fit) for row in section["rows"]]
    page = render(
        Path(__file__).parent / "templates" / "contact_sheet.html.j2",
        shown=len({row.path for section in sections for row in section["rows"]}),
        crops=len(rows),
        identities=len({row.identity for row in rows}),
        template=template.name,
        height=template.height,
        width=template.width,
        points=template.points.round(2).tolist(),
        sections=sections,
    )
    write_page(folder / CONTACT_SHEET, page)


def _sections(rows: Sequence[ManifestRow], doubts: Doubts) -> list[dict[str, Any]]:
    """Title, words, count and rows of each part of the page; a crop of the first is not in the last."""
    least_sure = sorted(rows, key=doubt, reverse=True)[: max(12, min(len(doubts.unsure), _LEAST_SURE))]
    shared, rivals = list(chain(*doubts.shared)), sorted(doubts.rivals, key=rivalry, reverse=True)
    unsure = len(doubts.unsure)
    first = {row.path for row in least_sure}
    others = [row for row in rows if row.path not in first]
    words = (
        f"{unsure:,} may show no face, or not at its place."
        if unsure
        else "All are sure; these are the least sure of them."
    )
    parts = [
        ("The least sure", words, least_sure, max(unsure, len(least_sure)), bool(unsure)),
        (
            "One face under several people",
            "Equal crops under several names, of which at most one is right.",
            shared[:_OF_EACH],
            len(shared),
            True,
        ),
        (
            "All faces of a photo, under one name",
            "At most one of each photo is the person.",
            doubts.all_taken[:_OF_EACH],
            len(doubts.all_taken),
            True,
        ),
        (
            "Another face is at least half as large",
            "Was the right one taken?",
            rivals[:_OF_EACH],
            len(rivals),
            True,
        ),
        (
            "Turned",
            "Photos on their side or upside down; their crops must be upright.",
            doubts.turned[:_OF_EACH],
            len(doubts.turned),
            True,
        ),
        ("The others", "Evenly spread over the manifest.", _spread(others, _OTHERS), len(others), False),
    ]
    return [dict(zip(("title", "words", "rows", "count", "listed"), part, strict=True)) for part in parts]


def _figure(folder: Path, row: ManifestRow, template: AlignmentTemplate, fit: Fit) -> dict[str, Any]:
    landmarks = np.array([getattr(row, name) for name in LANDMARK_COLUMNS]).reshape(5, 2)
    matrix = similarity(landmarks, template.points, fit)
    facts = [] if row.method == "detected" else [row.method]
    facts += [] if math.isnan(row.score) else [f"score {row.score:.4f}"]
    facts += [] if math.isnan(row.residual) else [f"off by {row.residual:.1f}"]
    if row.num_faces > 1:
        facts.append(f"{row.num_faces:.0f} faces, the next {rivalry(row):.0%} as large")
    return {
        "identity": row.identity,
        "path": row.path,
        "uri": _picture(folder / row.path),
        "landmarks": (landmarks @ matrix[:, :2].T + matrix[:, 2]).round(2).tolist(),
        "facts": ", ".join(facts),
        "why": reasons(row),
    }


def _picture(path: Path) -> str | None:
    """The crop; None where it cannot be read, which training says."""
    try:
        return data_uri(read_photo(path), quality=90)
    except PhotoError:
        return None


def _spread(rows: list[ManifestRow], count: int) -> list[ManifestRow]:
    if len(rows) <= count:
        return rows
    return [rows[index * len(rows) // count] for index in range(count)]
