"""What a run of identify has measured, before it becomes a report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ..enrolled import Mates, Searched
from ..rows import Reordered
from .numbers import Searches
from .rules import PhotoSet


@dataclass(frozen=True)
class Measured:
    """What was searched, and what came of it; rows are those of the sets that were kept."""

    gallery: PhotoSet
    probes: PhotoSet
    distractors: Sequence[PhotoSet]
    names: list[str]
    """Of people, by their numbers."""
    probe_rows: np.ndarray
    """(Q,) photos of `probes`, of each search the one that was searched for."""
    mates: Mates
    enrolled: np.ndarray
    """(E, D) templates."""
    enrolled_rows: np.ndarray | None
    """(E,) photos of `gallery`, where each template is one."""
    enrolled_people: np.ndarray
    """(E,) numbers."""
    distractor_rows: np.ndarray
    """(N, 2): which of the sets, and which of its photos."""
    joined: Reordered
    """(N, D): their embeddings."""
    searched: Searched
    searches: Searches

    @cached_property
    def photos_by_person(self) -> tuple[np.ndarray, np.ndarray]:
        """The photos of `gallery` that were kept, person by person, and where each person's begin; of person
        n they are those from begin[n] to begin[n + 1]."""
        number = {name: row for row, name in enumerate(self.names)}
        kept = np.flatnonzero(self.gallery.kept)
        people = np.array([number[self.gallery.photos.people[row]] for row in kept])
        order = np.argsort(people, kind="stable")
        return kept[order], np.searchsorted(people[order], np.arange(len(self.names) + 1))
