"""MegaFace's challenge 1: photos of known people, each searched for among up to a million strangers.

Each probe is searched with each other photo of its person as the mate, which is put among the distractors
(Kemelmacher-Shlizerman et al. 2016, arXiv:1512.00596); rank k is reached where fewer than k distractors score
as high as the mate or higher. Verification counts the pairs of two probes of one person as genuine, and those
of a probe and a distractor as impostors.

Shapes: P probes, N distractors, D numbers in an embedding, Q searches, S sizes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sphereface_plus.data.formats.megaface_lists import MegaFaceError, NoiseList

from ..impostors import Impostors
from ..intervals import subject_interval
from ..rows import Reordered
from ..scores import scores_of_pairs
from ..search import scan
from ..search_statistics import cmc, leave_one_out, roc_of
from ..statistics import Roc, point_record, shown_points, tar_at_far
from ..tallies import Best, MateCounts
from ..threshold_intervals import crossed, intervals_record, tar_intervals
from .first_rows import OfFirstRows
from .over_sets import over_sets
from .sets import DistractorSet, several

RANKS = (1, 5, 10, 20, 50, 100, 1000)
FARS = (1e-6, 1e-5, 1e-4, 1e-3, 1e-2)
MOST_IMPOSTORS = 400_000
"""The highest scores of impostors that are kept: exact thresholds up to FAR 1e-4 of 3.5e9 pairs."""
ROC_SIZE = 10_000
"""Distractors of the smaller ROC of Figure 10, beside that of all."""
CURVE_POINTS = 300
"""Of a CMC that a report keeps."""


@dataclass(frozen=True)
class Found:
    """What a measurement found, beside its numbers, for the pictures."""

    numbers: dict[str, Any]
    """Plain data."""
    probe: np.ndarray
    """(Q,) of the searches."""
    mate: np.ndarray
    """(Q,)."""
    mate_score: np.ndarray
    """(Q,)."""
    counts: list[np.ndarray]
    """Of each set (Q, S), distractors that score as high or higher, at each size."""
    order: np.ndarray
    """(M,) the first set's distractors."""
    nearest: np.ndarray
    """(P, k) places in `order` of the distractors that score highest with each probe."""
    nearest_score: np.ndarray
    """(P, k)."""
    closest: list[tuple[np.ndarray, np.ndarray]]
    """Of each set, the row (P,) of the distractor that scores highest with each probe, and its score (P,)."""
    far_errors: list[np.ndarray]
    """Of each FAR with all distractors of the first set, what each person (by number) adds to its error."""
    curves: list[list[Roc]]
    """The ROC of each set at each size, thinned."""

    @property
    def above(self) -> np.ndarray:
        """(Q,) distractors of the first set's largest size that score as high or higher."""
        return self.counts[0][:, -1]

    def distractor(self, probe: int, place: int = 0) -> int:
        """The row of the distractor that is nearest to a probe, or the second nearest, ..."""
        return int(self.order[self.nearest[probe, place]])


def measure(
    probes: np.ndarray,
    people: np.ndarray,
    distractors: np.ndarray,
    sets: Sequence[DistractorSet],
    *,
    count: int = 3,
    fars: Sequence[float] = FARS,
    progress: Callable[[int, int], None] | None = None,
) -> Found:
    """probes (P, D) of people (P,), numbers; distractors (N, D). count: nearest distractors of each probe;
    fars: to give the TAR at.

    Raises SearchError for embeddings that cannot be searched, MegaFaceError where no person has two photos,
    and where a size of a set has no distractor.
    """
    for one in sets:
        if 0 in one.ends:
            raise MegaFaceError(
                f"of the {one.sizes[one.ends.index(0)]:,} distractors in a list of set {one.number} none is "
                "there, or none is left; move the lists of that size out of the folder"
            )
    if not len(people) or np.unique(people, return_counts=True)[1].max() < 2:
        raise MegaFaceError("no person has two probes, so there is no mate to find")
    probe, mate = leave_one_out(people)
    score = scores_of_pairs(probes, probe, probes, mate)
    total, done = sum(len(one.order) for one in sets), 0
    owner, once = people[probe], probe < mate  # a pair is searched for from both of its ends
    best = Best(count)
    counts: list[np.ndarray] = []  # (Q, S) each
    closest: list[tuple[np.ndarray, np.ndarray]] = []
    tars: list[list[float]] = []
    curves: list[list[Roc]] = []
    verified: list[tuple[dict[str, Any], list[np.ndarray]]] = []
    for one in sets:
        tally = MateCounts(probe, score, one.ends)
        own_best = best if one is sets[0] else Best(1)
        of_sizes = [Impostors(MOST_IMPOSTORS) for _ in one.sizes]  # of one set after the other
        smaller = [OfFirstRows(seen, end) for seen, end in zip(of_sizes[:-1], one.ends[:-1], strict=True)]

        def report(rows: int, _: int, done: int = done) -> None:
            if progress is not None:
                progress(done + rows, total)

        rows = Reordered(distractors, one.order)
        scan(probes, rows, [tally, own_best, *smaller, of_sizes[-1]], progress=report)
        of_set = [roc_of(score[once], seen) for seen in of_sizes]
        tars.append([tar_at_far(of_set[-1], far, of_sizes[-1].count).tar for far in fars])
        curves.append([_thinned_curve(curve) for curve in of_set])
        counts.append(tally.counts)
        closest.append((one.order[own_best.rows[:, 0]], own_best.scores[:, 0]))
        done += len(one.order)
        if one is sets[0]:
            verified = [
                _verification(score[once], owner[once], people, size, one, seen, curve, fars)
                for size, seen, curve in zip(one.sizes, of_sizes, of_set, strict=True)
                if size in (ROC_SIZE, one.sizes[-1])
            ]
    numbers = {
        "probes": len(probes),
        "people": len(np.unique(people)),
        # Of one probe each: no mate to search for; impostors all the same. Numbers of people.
        "without_mate": np.flatnonzero(np.bincount(people) == 1).tolist(),
        "searches": len(probe),
        "largest_share": float(np.bincount(owner).max() / len(owner)),
        "sizes": [_of_size(sets, counts, owner, column) for column in range(len(sets[0].sizes))],
        "cmc": _cmc(counts[0][:, -1]),
        "verification": [record for record, _ in verified],
        "tar_over_sets": over_sets(fars, tars, spread=several(sets, -1)),
    }
    errors = verified[-1][1]
    order = sets[0].order
    return Found(numbers, probe, mate, score, counts, order, best.rows, best.scores, closest, errors, curves)


def _of_size(
    sets: Sequence[DistractorSet], counts: Sequence[np.ndarray], owner: np.ndarray, column: int
) -> dict[str, Any]:
    """Rank-k at one number of distractors: the mean over sets, its spread, and its interval by person."""
    rates = np.array([cmc(of_set[:, column], RANKS) for of_set in counts])  # (sets, ranks)
    # The same people are searched for in each set: a search counts with the share of sets that find it.
    found = np.mean([of_set[:, column] < 1 for of_set in counts], axis=0)
    spread = several(sets, column)
    return {
        "size": sets[0].sizes[column],
        "distractors": [one.ends[column] for one in sets],
        "rank_1_interval": list(subject_interval(found, owner)),
        "ranks": [
            {
                "rank": rank,
                "rate": float(of_rank.mean()),
                "deviation": float(of_rank.std(ddof=1)) if spread else None,
                "per_set": of_rank.tolist(),
            }
            for rank, of_rank in zip(RANKS, rates.T, strict=True)
        ],
    }


def _cmc(above: np.ndarray) -> dict[str, list]:
    """The curve at the ranks where it rises, of all searches at the first set's largest size."""
    ranks = np.unique(above) + 1
    ranks = np.unique(np.append(1, _thinned(ranks)))
    return {"rank": ranks.tolist(), "rate": cmc(above, ranks.tolist()).tolist()}


def _verification(
    genuine: np.ndarray,
    owner: np.ndarray,
    people: np.ndarray,
    size: int,
    first: DistractorSet,
    impostors: Impostors,
    curve: Roc,
    fars: Sequence[float],
) -> tuple[dict[str, Any], list[np.ndarray]]:
    """What a report says, and of each FAR what each person adds to its error. genuine, owner (G,): scores of
    pairs, and whose they are; people (P,): whose the probes are."""
    count = impostors.count
    photos, num_distractors = np.bincount(people), first.ends[first.sizes.index(size)]

    def point(far: float) -> tuple[dict[str, Any], np.ndarray]:
        at = tar_at_far(curve, far, count)
        threshold = np.inf if at.threshold is None else at.threshold
        probe, row = impostors.pairs_from(threshold)
        false = crossed(at.false_accepts / count, people[probe], row, photos, num_distractors)
        sure = tar_intervals(at, curve, genuine >= threshold, owner, false)
        return point_record(at) | intervals_record(sure), false.parts

    points = [point(far) for far in fars]
    shown = _thinned_curve(curve)
    record = {
        "size": size,
        "genuine": len(genuine),
        "impostor": count,
        "tar_at_far": [of_far for of_far, _ in points],
        "roc": {"far": shown.far.tolist(), "tar": shown.tar.tolist()},
    }
    return record, [parts for _, parts in points]


def _thinned_curve(curve: Roc) -> Roc:
    shown = shown_points(curve)
    return Roc(curve.threshold[shown], curve.far[shown], curve.tar[shown])


def _thinned(values: np.ndarray) -> np.ndarray:
    """At most CURVE_POINTS of rising values, evenly by the logarithm of place, first and last included."""
    if len(values) <= CURVE_POINTS:
        return values
    places = np.unique(np.geomspace(1, len(values), CURVE_POINTS).round().astype(np.int64)) - 1
    return values[places]


def noise_among(keys: Sequence[str], noise: NoiseList | None) -> tuple[np.ndarray, dict[str, Any] | None]:
    """Which photos (n,) bool are noise, and a record of the list: its hash, its length, how many of its names
    are of the photos' people, which are those that can match, and how many match."""
    if noise is None:
        return np.zeros(len(keys), dtype=bool), None
    names = [noise.noise_of(key) for key in keys]
    matched = {name for name in names if name is not None}
    return np.array([name is not None for name in names], dtype=bool), {
        "file": str(noise.file),
        "sha256": noise.sha256,
        "entries": len(noise.names),
        "of_people": len(noise.names_of_people(keys)),
        "matched": len(matched),
    }
