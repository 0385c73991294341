"""What a run of identify has measured, before it becomes a report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..enrolled import Searched
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
    """(Q,) photos of `probes` that were searched for."""
    enrolled: np.ndarray
    """(E, D) templates."""
    enrolled_people: np.ndarray
    """(E,) numbers."""
    distractor_rows: np.ndarray
    """(N, 2): which of the sets, and which of its photos."""
    joined: Reordered
    """(N, D): their embeddings."""
    searched: Searched
    searches: Searches
