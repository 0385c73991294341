"""What is odd about the pairs of a report, counted: nothing is left out for it, the accuracy holds all."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from sphereface_plus.data.formats.packs import CropSource, PackedCrop
from sphereface_plus.data.formats.pairs import Pairs

from .people import People

NUM_NAMED = 3


def pair_notes(
    pairs: Pairs, people: People, embeddings: np.ndarray, files: Mapping[str, CropSource] | None
) -> list[dict[str, Any]]:
    """Plain data: `words` with the count at their end, `count`, and `examples`, lists of photo keys.

    embeddings: (N, D), of the pairs' N photos in their order.
    files: photo key -> crop, where they are available.
    """
    photos = pairs.photos
    crops = (
        None
        if files is None or any(key not in files for key in photos)
        else [_digest(files[key]) for key in photos]
    )
    found = [
        *_of_list(pairs, people),
        *_of_crops(pairs, people, crops),
        *_of_embeddings(photos, embeddings, crops),
    ]
    return [
        {"words": f"{words}: {count:,}.", "count": count, "examples": examples[:NUM_NAMED]}
        for words, count, examples in found
        if count
    ]


Found = list[tuple[str, int, list[list[str]]]]
"""What, how many, and which."""


def _of_list(pairs: Pairs, people: People) -> Found:
    both = list(zip(pairs.first, pairs.second, strict=True))
    kinds: dict[frozenset[str], set[bool]] = defaultdict(set)
    again = []
    for row, pair in enumerate(both):
        if frozenset(pair) in kinds:
            again.append(row)
        kinds[frozenset(pair)].add(bool(pairs.genuine[row]))
    same = people.first == people.second
    known = people.words if people.named else "by genuine pairs"
    found = (
        (
            "Pairs of a photo with itself, which say nothing about the model",
            [row for row, (first, second) in enumerate(both) if first == second],
        ),
        ("Pairs that repeat an earlier one, in this order or the other, and count again", again),
        (
            "Pairs that an earlier one contradicts: genuine there, impostor here, or the reverse",
            [row for row in again if len(kinds[frozenset(both[row])]) == 2],
        ),
        (f"Genuine pairs of two people, known {known}", np.flatnonzero(pairs.genuine & ~same)),
        (f"Impostor pairs of one person, known {known}", np.flatnonzero(~pairs.genuine & same)),
    )
    return [(words, len(rows), [list(both[row]) for row in rows]) for words, rows in found]


def _of_crops(pairs: Pairs, people: People, crops: Sequence[bytes] | None) -> Found:
    if crops is None:
        return []
    groups = _groups(pairs.photos, crops)
    person = dict(
        zip([*pairs.first, *pairs.second], [*people.first.tolist(), *people.second.tolist()], strict=True)
    )
    shared = [group for group in groups if people.named and len({person[key] for key in group}) > 1]
    return [
        ("Photos whose crop is another photo's, too, byte by byte", sum(map(len, groups)), groups),
        (
            "Photos whose crop is another person's, too: whose it is, is not certain",
            sum(map(len, shared)),
            shared,
        ),
    ]


def _of_embeddings(photos: Sequence[str], embeddings: np.ndarray, crops: Sequence[bytes] | None) -> Found:
    zero = [[key] for key, row in zip(photos, embeddings, strict=True) if not row.any()]
    crop_of = dict(zip(photos, crops, strict=True)) if crops is not None else {}
    groups = [
        group
        for group in _groups(photos, [row.tobytes() for row in embeddings])
        if crops is None or len({crop_of[key] for key in group}) > 1
    ]
    equal = sum(map(len, groups))
    words = "Photos whose embedding is another photo's, too, though their crops differ"
    if len(groups) == 1 and equal == len(photos):
        words = "All photos have one and the same embedding, so that the accuracy means nothing"
    elif crops is None:
        words = "Photos whose embedding is another photo's, too"
    return [
        ("Photos with an embedding of zeros, whose cosine to every other is 0", len(zero), zero),
        (words, equal, groups),
    ]


def _groups(photos: Sequence[str], marks: Sequence[bytes]) -> list[list[str]]:
    """Photos of one mark, of which there are two or more."""
    of_mark: dict[bytes, list[str]] = defaultdict(list)
    for key, mark in zip(photos, marks, strict=True):
        of_mark[mark].append(key)
    return [group for group in of_mark.values() if len(group) > 1]


def _digest(source: CropSource) -> bytes:
    data = source.read() if isinstance(source, PackedCrop) else Path(source).read_bytes()
    return hashlib.sha256(data).digest()
