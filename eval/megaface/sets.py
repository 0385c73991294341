"""The sets of distractors that MegaFace's search is repeated with: those of the kit's lists, or drawn.

Shapes: M distractors of a set, N of all, S sizes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sphereface_plus.data.formats.keys import photo_key
from sphereface_plus.data.formats.megaface_lists import MegaFaceError, TemplateList
from sphereface_plus.data.streams import DISTRACTOR_ORDER, generator


@dataclass(frozen=True)
class DistractorSet:
    """One of the sets that a search is repeated with; the first rows are its smaller sizes."""

    number: int
    order: np.ndarray
    """(M,) int: rows of the distractors."""
    sizes: list[int]
    """As the lists are called, rising."""
    ends: list[int]
    """(S,) how many of `order` each has: fewer where images are missing or left out."""

    def words(self, keys: list[str]) -> str:
        """Everything that the set is, for a hash. keys: of all distractors."""
        return f"{self.number} {self.sizes} {self.ends}\n" + "\0".join(
            keys[row] for row in self.order.tolist()
        )

    def without(self, left_out: np.ndarray) -> DistractorSet:
        """left_out (N,) bool. The same set with fewer distractors."""
        kept = ~left_out[self.order]
        before = np.append(0, np.cumsum(kept))
        return DistractorSet(
            self.number, self.order[kept], self.sizes, [int(before[end]) for end in self.ends]
        )


def sets_of_lists(
    lists: Mapping[int, Mapping[int, TemplateList]], row_of: Mapping[str, int]
) -> list[DistractorSet]:
    """The sets of a kit's lists, set -> size -> list. row_of: photo key -> row; what it lacks is left out.

    Raises MegaFaceError where a list does not hold all images of the smaller one of its set, and where sets
    differ in their sizes.
    """
    sizes = {number: list(of_set) for number, of_set in lists.items()}
    first = next(iter(sizes))
    for number, of_set in sizes.items():
        if of_set != sizes[first]:
            raise MegaFaceError(
                f"set {number} has lists of {', '.join(map(str, of_set))} distractors, set {first} of "
                f"{', '.join(map(str, sizes[first]))}: means over sets need the same; move the others away"
            )
    return [_set_of(number, sizes, row_of) for number, sizes in lists.items()]


def _set_of(number: int, sizes: Mapping[int, TemplateList], row_of: Mapping[str, int]) -> DistractorSet:
    order: dict[str, int] = {}
    ends, seen = [], 0
    for of_size in sizes.values():
        keys = [photo_key(path) for path in of_size.paths]
        if len(set(keys).difference(order)) + seen != len(keys):
            raise MegaFaceError(
                f"{of_size.file}: does not hold all images of the smaller list of its set; measure "
                "such sizes one by one, each list alone in a folder"
            )
        order |= dict.fromkeys(keys, 0)
        seen = len(keys)
        ends.append(sum(key in row_of for key in order))
    rows = np.array([row_of[key] for key in order if key in row_of], dtype=np.int64)
    return DistractorSet(number, rows, list(sizes), ends)


def several(sets: Sequence[DistractorSet], column: int) -> bool:
    """Whether sets differ at a size. Random orders do not at the largest, which all distractors are."""
    first, *others = (np.sort(one.order[: one.ends[column]]) for one in sets)
    return any(not np.array_equal(first, other) for other in others)


def num_searched(size: Mapping[str, Any]) -> float:
    """How many distractors were searched among at a size of a report, the mean over its sets: fewer than the
    lists have where images are missing, or left out as noise."""
    return float(np.mean(size["distractors"]))


def drawn_sets(num_distractors: int, num_sets: int, seed: int) -> list[DistractorSet]:
    """Sets of random order, of 10, 100, ... and all distractors."""
    sizes = [10**power for power in range(1, 10) if 10**power < num_distractors] + [num_distractors]
    return [
        DistractorSet(
            number, generator(seed, DISTRACTOR_ORDER, number).permutation(num_distractors), sizes, sizes
        )
        for number in range(1, num_sets + 1)
    ]
