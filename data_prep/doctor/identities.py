"""Identities by their embeddings: two people in one, one person in two, and people of a test set.

All is measured against two distributions of the set itself, so that it holds for any model: cosines between
crops of different identities (strangers), and between the two halves of one identity (itself).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sphereface_plus.data import streams

from .duplicates import CHUNK, close, components
from .findings import Entry, Finding

SAMPLE = 20_000
"""Pairs of strangers that are drawn to know their cosines."""
STRANGERS = 0.999
"""Two crops look like one person above the cosine that this share of strangers stays below."""
HALVES, SPREADS = 0.05, 4.5
"""Two identities look like one person above the cosine that this share of halves of identities stays below,
if it is also so many standard deviations above the cosines of identities: 4.5 leave 3 in a million."""


@dataclass(frozen=True)
class Likeness:
    """The cosines from which on the set's own crops say that two are one person."""

    crops: float
    """For two crops."""
    identities: float
    """For two identities' mean embeddings."""


def likeness(embeddings: np.ndarray, labels: np.ndarray, seed: int = 0) -> Likeness:
    """From unit embeddings (N, D) and labels (N,), where a zero row is a crop without an embedding."""
    random = streams.generator(seed, streams.COMPARED_CROPS)
    there = np.flatnonzero(embeddings.any(axis=1))
    first, second = random.choice(there, (2, SAMPLE))
    strangers = labels[first] != labels[second]
    cosines = np.einsum("nd,nd->n", embeddings[first[strangers]], embeddings[second[strangers]])
    # In a small set with an identity under two names, more pairs than that are not strangers.
    crops = min(float(np.quantile(cosines, STRANGERS)), _above(cosines))
    members = by_label(labels, there)
    halves = []
    for group in members.values():
        if len(group) >= 2:
            mixed = random.permutation(group)
            a, b = (mean_embedding(embeddings, half) for half in np.array_split(mixed, 2))
            halves.append(float(a @ b))
    means = np.stack([mean_embedding(embeddings, group) for group in members.values()])
    first, second = random.integers(0, len(means), (2, SAMPLE))
    others = np.einsum("nd,nd->n", means[first], means[second])[first != second]
    lowest = float(np.quantile(halves, HALVES)) if halves else crops
    return Likeness(crops, max(_above(others), lowest))


def _above(cosines: np.ndarray) -> float:
    """SPREADS standard deviations above the middle, by quartiles, which a few odd cosines do not move."""
    if not len(cosines):
        return 1.0
    low, middle, high = np.quantile(cosines, (0.25, 0.5, 0.75))
    return float(middle + SPREADS * (high - low) / 1.349)


def two_people(embeddings: np.ndarray, labels: np.ndarray, alike: Likeness) -> list[Finding]:
    """Identities whose crops fall into groups of which no crop looks like one of another group.

    A group of one crop is a stranger, or a bad photo; several of two crops or more are two people.
    """
    findings = []
    for group in by_label(labels, np.flatnonzero(embeddings.any(axis=1))).values():
        if len(group) < 3:
            continue
        linked = components((i, j) for i, j, _ in close(embeddings[group], alike.crops))
        linked += [{i} for i in range(len(group)) if not any(i in part for part in linked)]
        parts = sorted((sorted(group[i] for i in part) for part in linked), key=len, reverse=True)
        people = [part for part in parts if len(part) > 1]
        if len(people) > 1:
            best = max(
                float((embeddings[a] @ embeddings[b].T).max())
                for number, a in enumerate(people)
                for b in people[:number]
            )
            entries = [Entry(i, group=number) for number, part in enumerate(people) for i in part]
            sizes = ", ".join(str(len(part)) for part in people)
            words = f"groups of {sizes}; best cosine between them {best:.2f}"
            findings.append(Finding("two_people", entries, words, len(people[1]) + 1 - best))
        if not people:
            continue  # nobody looks like anybody: the model does not know such photos
        for part in parts:
            if len(part) == 1:
                best = float((embeddings[people[0]] @ embeddings[part[0]]).max())
                shown = [Entry(i, group=1) for i in people[0][:4]]
                findings.append(
                    Finding("stranger", [Entry(part[0])], f"best cosine {best:.2f}", 1 - best, shown)
                )
    return findings


def one_person(embeddings: np.ndarray, labels: np.ndarray, alike: Likeness) -> list[Finding]:
    """Pairs of identities whose mean embeddings are as close as halves of one identity are."""
    members = by_label(labels, np.flatnonzero(embeddings.any(axis=1)))
    names = list(members)
    means = np.stack([mean_embedding(embeddings, group) for group in members.values()])
    findings = []
    for a, b, cosine in close(means, alike.identities):
        pair = enumerate((members[names[a]], members[names[b]]))
        entries = [Entry(int(index), group=number) for number, group in pair for index in group]
        findings.append(Finding("one_person", entries, f"cosine {cosine:.2f}", cosine))
    return findings


def shared_faces(
    embeddings: np.ndarray, labels: np.ndarray, others: np.ndarray, other_labels: np.ndarray, alike: Likeness
) -> list[Finding]:
    """Identities that look like one of another set: the other set's embeddings (M, D) and labels (M,)."""
    mine = by_label(labels, np.flatnonzero(embeddings.any(axis=1)))
    theirs = by_label(other_labels, np.flatnonzero(others.any(axis=1)))
    my_means = np.stack([mean_embedding(embeddings, group) for group in mine.values()])
    their_means = np.stack([mean_embedding(others, group) for group in theirs.values()])
    my_names, their_names = list(mine), list(theirs)
    findings = []
    for start in range(0, len(my_means), CHUNK):
        cosines = my_means[start : start + CHUNK] @ their_means.T
        best = cosines.argmax(axis=1)
        for row in np.flatnonzero(cosines.max(axis=1) >= alike.identities):
            cosine, other = float(cosines[row, best[row]]), theirs[their_names[best[row]]]
            entries = [Entry(int(i), drop=True) for i in mine[my_names[start + row]]]
            shown = [Entry(int(i), other=True, group=1) for i in other[:4]]
            findings.append(Finding("shared_face", entries, f"cosine {cosine:.2f}", cosine, shown))
    return findings


def shared_names(
    identities: Sequence[str], labels: np.ndarray, others: Sequence[str], other_labels: np.ndarray
) -> list[Finding]:
    """Identities that another set has under the same name, in any spelling of case, blank and underscore."""
    theirs = {plain(name): label for label, name in enumerate(others)}
    findings = []
    for label, name in enumerate(identities):
        if plain(name) in theirs:
            entries = [Entry(int(i), drop=True) for i in np.flatnonzero(labels == label)]
            other = np.flatnonzero(other_labels == theirs[plain(name)])[:4]
            shown = [Entry(int(i), other=True, group=1) for i in other]
            findings.append(Finding("shared_name", entries, f"called {name}", len(entries), shown))
    return findings


def plain(name: str) -> str:
    return " ".join(name.replace("_", " ").replace("-", " ").casefold().split())


def by_label(labels: np.ndarray, among: np.ndarray) -> dict[int, np.ndarray]:
    """label -> the indices (n,) of its crops, of those given."""
    groups: dict[int, list[int]] = defaultdict(list)
    for index in among:
        groups[int(labels[index])].append(int(index))
    return {label: np.array(group) for label, group in sorted(groups.items())}


def mean_embedding(embeddings: np.ndarray, group: np.ndarray) -> np.ndarray:
    """The unit vector (D,) along the sum of unit embeddings; zero where they cancel."""
    total = embeddings[group].sum(axis=0)
    return total / max(float(np.linalg.norm(total)), 1e-12)
