"""Who is on a list of as many genuine as impostor pairs, for simulations."""

from __future__ import annotations

import numpy as np


def people_of_pairs(
    kind: str, count: int, generator: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray, int]:
    """Whose the genuine pairs are (count,), both people of the impostor pairs (count,) each, and how many
    people there are. kind: `alone`, each in one pair only; `60 people`; `LFW`, drawn as its 1,680 people of
    two photos or more, and all 5,749."""
    several, people = {"alone": (count, 3 * count), "60 people": (60, 60), "LFW": (1680, 5749)}[kind]
    if kind == "alone":
        owner, (first, second) = np.arange(count), count + np.arange(2 * count).reshape(2, count)
    else:
        owner, first = generator.integers(0, several, count), generator.integers(0, people, count)
        second = (first + generator.integers(1, people, count)) % people
    return owner, first, second, people
