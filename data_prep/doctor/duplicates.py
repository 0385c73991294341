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
CHUNK = 2048


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
    hashes = np.zeros((len(looks), HASH_BITS), dtype=np.float32)
    for index, look in enumerate(looks):
        if look.rough is not None:
            hashes[index] = np.where(look.rough, 1, -1)
    # The cosine of two hashes of +-1 is the share of equal bits less that of different ones.
    by_hash = {
        (i, j): (1 - cosine) / 2 * HASH_BITS
        for i, j, cosine in close(hashes / math.sqrt(HASH_BITS), 1 - 2 * NEAR_BITS / HASH_BITS)
    }
    by_face = {}
    if embeddings is not None:
        by_face = {(i, j): cosine for i, j, cosine in close(embeddings, NEAR_COSINE)}
    pixels = [look.of_pixels for look in looks]
    linked = [(i, j) for i, j in {**by_hash, **by_face} if pixels[i] != pixels[j]]
    findings = []
    for group in components(linked):
        bits = [by_hash[pair] for pair in linked if pair in by_hash and pair[0] in group]
        cosines = [by_face[pair] for pair in linked if pair in by_face and pair[0] in group]
        across = len({labels[index] for index in group}) > 1
        words = [f"hashes differ in {min(bits):.0f} of {HASH_BITS} bits"] if bits else []
        words += [f"cosine up to {max(cosines):.2f}"] if cosines else []
        words += ["under several identities"] if across else []
        entries = [Entry(index) for index in sorted(group)]
        findings.append(Finding("near_duplicate", entries, ", ".join(words), across + len(group) / 1e6))
    return findings


def close(vectors: np.ndarray, cosine: float, *, chunk: int = CHUNK) -> Iterator[tuple[int, int, float]]:
    """(i, j, cosine) of the pairs i < j of unit rows (N, D) at this cosine or above, in N^2 D steps."""
    for start in range(0, len(vectors), chunk):
        rows = vectors[start : start + chunk] @ vectors[start:].T
        i, j = np.nonzero(np.triu(rows >= cosine, 1))
        yield from zip((i + start).tolist(), (j + start).tolist(), rows[i, j].tolist(), strict=True)


def components(pairs: Iterable[tuple[int, int]]) -> list[set[int]]:
    """What hangs together by the pairs, in the order of the first pair of each."""
    group_of: dict[int, set[int]] = {}
    for i, j in pairs:
        a, b = group_of.setdefault(i, {i}), group_of.setdefault(j, {j})
        if a is not b:
            a |= b
            group_of.update((index, a) for index in b)
    return list({id(group): group for group in group_of.values()}.values())
