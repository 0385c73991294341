"""From a set of crops to findings: what `python -m data_prep doctor` does."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from sphereface_plus.commands.progress import show_progress
from sphereface_plus.data.faces import FaceCrops

from ..packing import names_of
from .duplicates import exact_duplicates, near_duplicates
from .findings import KINDS, Entry, Finding
from .groups import Likenesses, doubtful_faces, photos_with_all_faces, rivals, rows_of, settled
from .identities import likeness, one_person, shared_faces, shared_names, two_people
from .pictures import TINY_BYTES, TINY_SPREAD, Look, look_at_all

if TYPE_CHECKING:
    from sphereface_plus.embedding import Embedder


@dataclass(frozen=True)
class Examined:
    """A set, what its crops are called, and what was found."""

    path: Path
    crops: FaceCrops
    names: list[str]
    """Of the crops, relative to the set."""
    findings: list[Finding]
    """By kind, in the order of KINDS, the most striking ones first."""
    counts: np.ndarray
    """int64 (identities,): crops of each."""
    against: FaceCrops | None = None
    left_out: int = 0
    """Crops of `against` that cannot be compared: unreadable, or of another size than its first."""

    def of_kind(self, kind: str) -> list[Finding]:
        return [finding for finding in self.findings if finding.kind == kind]


def examine(
    path: Path,
    *,
    against: Path | None = None,
    embedder: Embedder | None = None,
) -> Examined:
    """Looks at each crop of a set that training reads, and at its embedding if there is a model.

    against: a test set, whose people should not be in this one.
    Raises CropsError and the other errors of FaceCrops.open; SpecError for crops that the model is not for,
    and what else embed_files raises.
    """
    crops = FaceCrops.open(path)
    other = FaceCrops.open(against) if against is not None else None
    named = names_of(path, crops)
    rows = rows_of(named.names, named.table)
    labels = np.array(crops.labels)
    with show_progress("crops", "unreadable") as progress:
        looks = look_at_all(crops.paths, progress)
    sizes = Counter(look.size for look in looks if look.problem is None)
    size = sizes.most_common(1)[0][0]  # there is one: opening the set has read a crop
    findings = file_findings(looks, size) + doubtful_faces(rows)
    embeddings, likenesses, left_out = None, None, 0
    if other is not None:
        findings += shared_names(crops.identities, labels, other.identities, np.array(other.labels))
    if embedder is not None:
        usable = [n for n, look in enumerate(looks) if look.problem is None and look.size == size]
        embeddings = unit_embeddings(embedder, crops, usable)
        alike = likeness(embeddings, labels)
        likenesses = Likenesses(embeddings, labels, alike.crops)
        findings += two_people(embeddings, labels, alike) + one_person(embeddings, labels, alike)
        if other is not None:
            with show_progress("crops of the test set", "unreadable") as progress:
                their_looks = look_at_all(other.paths, progress)
            usable = [n for n, look in enumerate(their_looks) if look.size == other.size]
            left_out = len(other.paths) - len(usable)
            theirs = unit_embeddings(embedder, other, usable)
            findings += shared_faces(embeddings, labels, theirs, np.array(other.labels), alike)
    twice = exact_duplicates(looks, crops.labels)
    findings += [finding for finding in twice if finding.kind != "contradiction"]
    findings += settled([finding for finding in twice if finding.kind == "contradiction"], rows, likenesses)
    findings += photos_with_all_faces(rows, likenesses) + rivals(rows, likenesses)
    findings += near_duplicates(looks, crops.labels, embeddings)
    order = list(KINDS)
    findings.sort(key=lambda finding: (order.index(finding.kind), -finding.score))
    return Examined(path, crops, named.names, findings, np.bincount(labels), other, left_out)


def file_findings(looks: Sequence[Look], size: tuple[int, int]) -> list[Finding]:
    """What each crop says by itself."""
    findings = []
    for index, look in enumerate(looks):
        if look.problem is not None:
            findings.append(Finding("unreadable", [Entry(index, drop=True)], look.problem))
        elif look.size != size:
            words = f"{look.size[0]}x{look.size[1]}, the others are {size[0]}x{size[1]}"
            findings.append(Finding("size", [Entry(index, drop=True)], words))
        elif look.spread < TINY_SPREAD or look.num_bytes < TINY_BYTES:
            words = f"grey values spread by {look.spread:.1f}, {look.num_bytes:,} bytes"
            findings.append(Finding("tiny", [Entry(index)], words, -look.spread))
    return findings


def unit_embeddings(embedder: Embedder, crops: FaceCrops, usable: Sequence[int]) -> np.ndarray:
    """Unit embeddings float32 (N, D); rows of zeros where not usable."""
    from sphereface_plus.commands.model_argument import embed_crops
    from sphereface_plus.data.crops import check_crops

    check_crops(crops.template, crops.size, embedder.input)
    rows = embed_crops(embedder, [crops.paths[index] for index in usable])
    embeddings = np.zeros((len(crops.paths), rows.shape[1]), dtype=np.float32)
    embeddings[list(usable)] = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
    return embeddings
