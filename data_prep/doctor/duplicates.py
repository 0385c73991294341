"""Crops that are there twice: byte by byte, pixel by pixel, or nearly."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from .findings import Entry, Finding
from .pictures import HASH_BITS, Look

NEAR_BITS = 16
"""Perceptual hashes of 256 bits that differ in so many at most are of one picture."""
NEAR_COSINE = 0.95
"""So are embeddings of at least this cosine, which other photos of one person hardly reach."""
CHUNK = 512


def exact_duplicates(looks: Sequence[Look], labels: Sequence[int]) -> list[Finding]:
    """Groups of equal pixels: all but the first are to be dropped, or looked at under several identities."""
    groups: dict[bytes, list[int]] = defaultdict(list)
    for index, look in enumerate(looks):
        if look.problem is None:
            groups[look.of_pixels].append(index)
    findings = []
    for group in groups.values():
        if len(group) < 2:
            continue
        same_bytes = len({looks[index].of_bytes for index in group}) == 1
        words = "equal files" if same_bytes else "equal pixels in files of different form"
        if len({labels[index] for index in group}) > 1:
            findings.append(Finding("contradiction", [Entry(index) for index in group], words, len(group)))
        else:
            entries = [Entry(index, drop=index != group[0]) for index in group]
            findings.append(Finding("duplicate", entries, words, len(group)))
    return findings


def near_duplicates(
    looks: Sequence[Look], labels: Sequence[int], embeddings: np.ndarray | None
) -> list[Finding]:
    """Groups of crops that are nearly one picture, by perceptual hash or, where there are any, embeddings.

    embeddings: unit, float32 (N, D), with rows of zeros where there is none.
    """
    copies: dict[bytes, list[int]] = defaultdict(list)
    for index, look in enumerate(looks):
        if look.problem is None:
            copies[look.of_pixels].append(index)
    pictures = list(copies.values())  # one crop stands for its copies, which would be pairs by the million
    firsts = [group[0] for group in pictures]
    # The cosine of two hashes of +-1 is the share of equal bits less that of different ones.
    rough = np.array([looks[index].rough for index in firsts], bool)
    hashes = np.where(rough, 1, -1).astype(np.float32)
    bits, cosines = [math.inf] * len(pictures), [-math.inf] * len(pictures)  # of a picture's nearest

    def linked() -> Iterator[tuple[int, int]]:
        for i, j, cosine in close(hashes / math.sqrt(HASH_BITS), 1 - 2 * NEAR_BITS / HASH_BITS):
            bits[i] = min(bits[i], (1 - cosine) / 2 * HASH_BITS)
            yield i, j
        for i, j, cosine in close(embeddings[firsts], NEAR_COSINE) if embeddings is not None else ():
            cosines[i] = max(cosines[i], cosine)
            yield i, j

    findings = []
    for group in components(linked()):
        fewest, highest = min(bits[i] for i in group), max(cosines[i] for i in group)
        crops = sorted(index for i in group for index in pictures[i])
        across = len({labels[index] for index in crops}) > 1
        words = [f"hashes differ in {fewest:.0f} of {HASH_BITS} bits"] if fewest < math.inf else []
        words += [f"cosine up to {highest:.2f}"] if highest > -math.inf else []
        words += ["under several identities"] if across else []
        entries = [Entry(index) for index in crops]
        findings.append(Finding("near_duplicate", entries, ", ".join(words), across + len(crops) / 1e6))
    return findings


def close(vectors: np.ndarray, cosine: float, *, chunk: int = CHUNK) -> Iterator[tuple[int, int, float]]:
    """(i, j, cosine) of the pairs i < j of unit rows (N, D) at this cosine or above, in N^2 D steps.

    Memory is for chunk^2 pairs, however many there are.
    """
    for start in range(0, len(vectors), chunk):
        for beside in range(start, len(vectors), chunk):
            cosines = vectors[start : start + chunk] @ vectors[beside : beside + chunk].T
            near = cosines >= cosine
            i, j = np.nonzero(np.triu(near, 1) if beside == start else near)
            found = (i + start).tolist(), (j + beside).tolist(), cosines[i, j].tolist()
            yield from zip(*found, strict=True)


def components(pairs: Iterable[tuple[int, int]]) -> list[set[int]]:
    """The connected components of the pairs, in the order of the first pair of each."""
    group_of: dict[int, set[int]] = {}
    for i, j in pairs:
        a, b = group_of.setdefault(i, {i}), group_of.setdefault(j, {j})
        if a is not b:
            large, small = (a, b) if len(a) >= len(b) else (b, a)
            large |= small
            group_of.update((index, large) for index in small)
    return list({id(group): group for group in group_of.values()}.values())
