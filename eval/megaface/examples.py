"""Probes and distractors to look at: same images, the hardest probes, distractors that look like a mate."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ..example_photos import NUM_EXAMPLES, Example, example_photo
from ..scores import SAME_IMAGE
from .challenge import Found
from .sides import Side

NUM_HARDEST = 24


class Searched(NamedTuple):
    """A measurement, and its probes: raw all, cleaned those that no noise list names."""

    keys: list[str]
    """(P,) photo keys."""
    people: list[str]
    """(P,) whose each is."""
    found: Found


def same_images(searched: Searched, distractors: Side) -> list[list[str]]:
    """Probes with a distractor of any set that must be the same image: nobody can tell the two apart."""
    same = {
        (int(probe), int(rows[probe]))
        for rows, scores in searched.found.closest
        for probe in np.flatnonzero(scores >= SAME_IMAGE)
    }
    return [[searched.keys[probe], distractors.keys[row]] for probe, row in sorted(same)]


def same_probes(searched: Searched) -> list[list[str]]:
    """Pairs of mates that must be the same image, each once: whoever is searched for is found by a copy."""
    found = searched.found
    same = (found.probe < found.mate) & (found.mate_score >= SAME_IMAGE)
    pairs = zip(found.probe[same].tolist(), found.mate[same].tolist(), strict=True)
    return [[searched.keys[probe], searched.keys[mate]] for probe, mate in pairs]


def hardest(searched: Searched, distractors: Side) -> list[Example]:
    """The searches with most distractors above the mate, each photo once, and the nearest of those."""
    found = searched.found
    examples, seen = [], set()
    for search in np.argsort(-found.above, kind="stable"):
        probe, mate = int(found.probe[search]), int(found.mate[search])
        if len(examples) == NUM_HARDEST or found.above[search] == 0:
            break
        if {probe, mate} & seen:
            continue
        seen |= {probe, mate}
        score = float(found.mate_score[search])
        above = [
            _distractor(distractors, found.distractor(probe, place), "above", float(near))
            for place, near in enumerate(found.nearest_score[probe])
            if np.isfinite(near) and near >= score
        ]
        photos = [
            _probe(searched, probe, "probe", None),
            _probe(searched, mate, "mate", score),
        ]
        examples.append({"photos": photos + above, "above": int(found.above[search])})
    return examples


def twins(searched: Searched, distractors: Side) -> list[Example]:
    """Distractors that score highest with a probe, each once, of any set. Each probe is a mate as well."""
    found = searched.found
    nearest = np.where(found.nearest >= 0, found.order[found.nearest], -1)  # (P, k) rows
    rows = np.column_stack([nearest, *(rows for rows, _ in found.closest[1:])])
    scores = np.column_stack([found.nearest_score, *(scores for _, scores in found.closest[1:])])
    examples, shown = [], set()
    for place in np.argsort(-scores, axis=None, kind="stable"):
        probe, column = np.unravel_index(place, scores.shape)
        row, score = int(rows[probe, column]), float(scores[probe, column])
        if len(examples) == NUM_EXAMPLES or not np.isfinite(score):
            break
        if row in shown:
            continue
        shown.add(row)
        mate = _probe(searched, int(probe), "mate", None)
        examples.append({"photos": [mate, _distractor(distractors, row, "distractor", score)]})
    return examples


def _probe(searched: Searched, row: int, what: str, score: float | None) -> dict[str, Any]:
    return example_photo("probes", searched.keys[row], searched.people[row], what, score)


def _distractor(distractors: Side, row: int, what: str, score: float) -> dict[str, Any]:
    return example_photo("distractors", distractors.keys[row], "", what, score)
