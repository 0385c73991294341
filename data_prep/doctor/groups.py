"""Faces of photos with several people: which of them is the identity's, as far as that can be known.

The manifest says how many faces a photo held. With a model, a crop is compared with the identity's others;
without one, what cannot be right is proposed to be dropped, and the rest to be looked at.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING

import numpy as np

from sphereface_plus.data.formats.manifest import ManifestRow

from ..doubts import RIVAL_SIDE, doubt, reasons, rivalry
from .findings import Entry, Finding
from .identities import mean_embedding

if TYPE_CHECKING:
    import pandas

Rows = Sequence[ManifestRow | None]
"""The manifest's row of each crop; None where there is none."""


@dataclass(frozen=True)
class Likenesses:
    """How much a crop looks like other crops of its identity, of which some are in doubt themselves."""

    embeddings: np.ndarray
    """Unit, float32 (N, D), with rows of zeros where there is none."""
    labels: np.ndarray
    """int64 (N,)"""
    least: float
    """Cosine from which on two crops look like one person."""

    def of(self, crop: int, doubtful: set[int]) -> float:
        """Its cosine to the mean of the identity's crops that are not doubtful; nan where there are none."""
        group = [i for i in np.flatnonzero(self.labels == self.labels[crop]) if int(i) not in doubtful]
        group = [i for i in group if i != crop and self.embeddings[i].any()]
        if not group or not self.embeddings[crop].any():
            return math.nan
        return float(self.embeddings[crop] @ mean_embedding(self.embeddings, np.array(group)))


def rows_of(names: Sequence[str], manifest: pandas.DataFrame | None) -> Rows:
    """The manifest's row of each named crop."""
    if manifest is None:
        return [None] * len(names)
    table = manifest.reindex(columns=[field.name for field in fields(ManifestRow)])
    rows = {row[0]: ManifestRow(*row) for row in table.itertuples(index=False, name=None)}
    return [rows.get(name) for name in names]


def doubtful_faces(rows: Rows) -> list[Finding]:
    """Crops that may show no face; one is dropped where none was found and the usual place was taken."""
    findings = []
    for index, row in enumerate(rows):
        if row is not None and doubt(row) > 1:
            entry = Entry(index, drop=row.method == "centre")
            findings.append(Finding("unsure", [entry], "; ".join(reasons(row)), doubt(row)))
    return findings


def photos_with_all_faces(rows: Rows, alike: Likenesses | None) -> list[Finding]:
    """Photos with several faces under one identity: all but one are dropped, or all.

    The one that stays is the most like the identity's other crops, if it is like them; where that is not
    known, the largest face.
    """
    photos: dict[tuple[str, str], list[int]] = defaultdict(list)
    for index, row in enumerate(rows):
        if row is not None:
            photos[row.source, row.identity].append(index)
    groups = [group for group in photos.values() if len(group) > 1]
    doubtful = {index for group in groups for index in group}
    findings = []
    for group in groups:
        kept, words = _most_alike(group, doubtful, alike)
        if not words:
            kept = max(group, key=lambda index: _side(rows[index]))
            words = "the largest is kept"
        entries = [Entry(index, drop=index != kept) for index in group]
        findings.append(Finding("all_faces", entries, f"{len(group)} faces of a photo; {words}", len(group)))
    return findings


def settled(contradictions: Sequence[Finding], rows: Rows, alike: Likenesses | None) -> list[Finding]:
    """Equal pictures under several identities, with a proposal where there is a reason for one.

    With a model, the identity stays whose other crops look like it. Else all are dropped if the photo held
    several faces: who shares a photo with another gets the same one of its faces.
    """
    doubtful = {entry.crop for finding in contradictions for entry in finding.entries}
    findings = []
    for finding in contradictions:
        crops = [entry.crop for entry in finding.entries]
        kept, words = _most_alike(crops, doubtful, alike)
        if not words and any(row is not None and row.num_faces > 1 for row in (rows[i] for i in crops)):
            words = "the photo holds several faces, and at most one name is right"
        if words:
            entries = [replace(entry, drop=entry.crop != kept) for entry in finding.entries]
            finding = replace(finding, entries=entries, words=f"{finding.words}; {words}")
        findings.append(finding)
    return findings


def rivals(rows: Rows, alike: Likenesses | None) -> list[Finding]:
    """Crops of photos in which another face is larger, or, with a model, half as large if this one is unlike.

    Dropped where a model says that the crop does not look like the identity's others.
    """
    crops = Counter(row.source for row in rows if row is not None)  # several: all_faces has them
    shares = [rivalry(row) if row is not None and crops[row.source] == 1 else 0.0 for row in rows]
    beside = [(index, share) for index, share in enumerate(shares) if share >= RIVAL_SIDE]
    doubtful = {index for index, _ in beside}
    findings = []
    for index, share in beside:
        cosine = alike.of(index, doubtful) if alike is not None else math.nan
        unlike = alike is not None and cosine < alike.least
        if unlike or (share > 1 and math.isnan(cosine)):
            words = f"another face of the photo is {share:.0%} as large" + (
                f"; cosine to the others {cosine:.2f}" if unlike else ""
            )
            findings.append(Finding("rival", [Entry(index, drop=unlike)], words, share + 10 * unlike))
    return findings


def _most_alike(crops: list[int], doubtful: set[int], alike: Likenesses | None) -> tuple[int | None, str]:
    """Which crop looks like its identity's others, or None if none does, in words; no words: not known."""
    cosines = {index: alike.of(index, doubtful) for index in crops} if alike is not None else {}
    cosines = {index: cosine for index, cosine in cosines.items() if not math.isnan(cosine)}
    if alike is None or not cosines:
        return None, ""
    best = max(cosines, key=lambda index: cosines[index])
    if cosines[best] < alike.least:
        return None, f"none looks like the identity's other crops, best cosine {cosines[best]:.2f}"
    return best, f"the one that looks like its identity's other crops is kept, cosine {cosines[best]:.2f}"


def _side(row: ManifestRow | None) -> float:
    """Root of the box's area, photo pixels; 0 where it is not known."""
    if row is None:
        return 0.0
    area = (row.box_right - row.box_left) * (row.box_bottom - row.box_top)
    return math.sqrt(area) if area > 0 else 0.0
