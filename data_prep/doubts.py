"""Which crops may show no face, or not the person's: in numbers, in sentences, and one by one.

Only numbers of the manifest and equal crops are looked at. Whether two faces look alike needs a model: the
doctor's part.
"""

from __future__ import annotations

import hashlib
import math
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sphereface_plus.data.formats.manifest import ManifestRow
from sphereface_plus.words import counted

# Shares of 1,450 photos of LFW, with the default settings.
UNSURE_SCORE = 0.99
"""Detected faces of a lower score are unsure: 0.3 % of LFW's."""
UNSURE_RESIDUAL = 8.0
"""So are landmarks that lie further from the alignment template, crop pixels: 0.1 % of LFW's."""
RIVAL_SIDE = 0.5
"""Another face of this share of a face's side may be the one that is meant."""


@dataclass(frozen=True)
class Doubts:
    """What a person should look at in a set of crops; all lists in the manifest's order but the first."""

    unsure: list[ManifestRow]
    """The least sure first."""
    turned: list[ManifestRow]
    several: int
    """Photos with several faces of which one was taken."""
    rivals: list[ManifestRow]
    """Crops of them beside whose face another one is at least RIVAL_SIDE as large."""
    all_taken: list[ManifestRow]
    """Crops of photos that gave several crops, all under one identity."""
    shared: list[list[ManifestRow]]
    """Equal crops under several identities."""


def find_doubts(folder: Path, rows: Sequence[ManifestRow]) -> Doubts:
    """The doubts about rows whose crops lie in the folder."""
    num_crops = Counter(row.source for row in rows)
    alone = [row for row in rows if row.num_faces > 1 and num_crops[row.source] == 1]
    return Doubts(
        unsure=sorted((row for row in rows if doubt(row) > 1), key=doubt, reverse=True),
        turned=[row for row in rows if row.turned > 0],
        several=len(alone),
        rivals=[row for row in alone if rivalry(row) >= RIVAL_SIDE],
        all_taken=[row for row in rows if num_crops[row.source] > 1],
        shared=_shared(folder, rows),
    )


def doubt(row: ManifestRow) -> float:
    """How unsure it is that a crop shows a face at its place: 0 is sure, above 1 is unsure."""
    if row.method == "centre":
        return math.inf
    by_score = (1 - row.score) / (1 - UNSURE_SCORE)
    by_residual = row.residual / UNSURE_RESIDUAL
    return max((value for value in (by_score, by_residual) if not math.isnan(value)), default=0.0)


def rivalry(row: ManifestRow) -> float:
    """The largest other face of the photo as a share of this one's side; 0 where there is none."""
    area = (row.box_right - row.box_left) * (row.box_bottom - row.box_top)
    return row.runner_up_side / math.sqrt(area) if row.num_faces > 1 and area > 0 else 0.0


def reasons(row: ManifestRow) -> list[str]:
    """Why a crop is in doubt by itself, in words; empty where it is not."""
    words = []
    if row.method == "centre":
        words.append("no face was found, and the usual place was taken")
    if row.score < UNSURE_SCORE:
        words.append(f"score {row.score:.3f}, below {UNSURE_SCORE}")
    if row.residual > UNSURE_RESIDUAL:
        words.append(f"landmarks {row.residual:.1f} pixels from a face's, more than {UNSURE_RESIDUAL:g}")
    if row.turned > 0:
        words.append(f"found in the photo turned by {row.turned:.0f} degrees")
    return words


def sentences(doubts: Doubts) -> list[str]:
    """What a person should know, a line each; empty where there is nothing to say."""
    lines = []
    if doubts.shared:
        names = " and ".join(row.path for row in doubts.shared[0][:2])
        lines.append(
            f"one face under several people: {counted(len(doubts.shared), 'face')}, first {names}; "
            "at most one of the names is right"
        )
    if doubts.all_taken:
        photos = len({row.source for row in doubts.all_taken})
        lines.append(
            f"all faces taken: {counted(photos, 'photo')} gave {len(doubts.all_taken):,} crops, all named "
            "after the photo's person; at most one of each photo is"
        )
    if doubts.several:
        larger = sum(rivalry(row) > 1 for row in doubts.rivals)
        lines.append(
            f"several faces: in {counted(doubts.several, 'photo')}; in {len(doubts.rivals):,} of them "
            f"another is at least half as large as the one taken, in {larger:,} larger: was the right one "
            "taken?"
        )
    if doubts.turned:
        lines.append(
            f"turned: {counted(len(doubts.turned), 'crop')} of photos that lie on their side or upside down; "
            "the crops are upright"
        )
    if doubts.unsure:
        lines.append(
            f"unsure: {counted(len(doubts.unsure), 'crop')} that may show no face, or not at its place; "
            "the contact sheet begins with them"
        )
    return lines


def record(doubts: Doubts) -> dict[str, Any]:
    """The same as plain data for report.json, with the names of all photos and crops."""
    crops_of = defaultdict(list)
    for row in doubts.all_taken:
        crops_of[row.source].append(row.path)
    return {
        "unsure": [{"path": row.path, "why": "; ".join(reasons(row))} for row in doubts.unsure],
        "turned": [{"path": row.path, "degrees": int(row.turned)} for row in doubts.turned],
        "photos_with_several_faces": doubts.several,
        "another_face_half_as_large": [
            {"path": row.path, "faces": int(row.num_faces), "share": round(rivalry(row), 2)}
            for row in doubts.rivals
        ],
        "all_faces_taken": dict(crops_of),
        "one_face_of_several_identities": [[row.path for row in group] for group in doubts.shared],
        "limits": {"score": UNSURE_SCORE, "residual": UNSURE_RESIDUAL, "rival_side": RIVAL_SIDE},
    }


def _shared(folder: Path, rows: Sequence[ManifestRow]) -> list[list[ManifestRow]]:
    """Crops whose files are equal, where they are of several identities.

    Equal photos have equal landmarks: only files of such rows are read.
    """
    return [
        group
        for alike in _groups(rows, _face_of)
        for group in _groups(alike, lambda row: _content(folder / row.path))
    ]


def _groups(rows: Sequence[ManifestRow], key: Callable[[ManifestRow], Any]) -> list[list[ManifestRow]]:
    """Rows of equal key that are of several identities; a key of None is equal to no other."""
    groups: dict[Any, list[ManifestRow]] = defaultdict(list)
    for row in rows:
        groups[key(row)].append(row)
    groups.pop(None, None)
    return [group for group in groups.values() if len({row.identity for row in group}) > 1]


def _face_of(row: ManifestRow) -> tuple[Any, ...]:
    return str(row.score), row.left_eye_x, row.left_eye_y, row.right_mouth_x, row.right_mouth_y  # nan == nan


def _content(path: Path) -> bytes | None:
    try:
        return hashlib.sha256(path.read_bytes()).digest()
    except OSError:
        return None
