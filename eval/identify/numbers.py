"""The numbers of an identification report, from searches: plain data.

Shapes: Q searches, M of them with a mate, S sizes, N distractors. What the numbers are is defined in
search_statistics.py; here they are put together.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sphereface_plus.data.streams import DISTRACTOR_ORDER, generator

from ..enrolled import Mates, Searched, search_enrolled
from ..intervals import subject_interval
from ..rows import Reordered
from ..search_statistics import FPIRS, OpenSetPoint, cmc, det, open_set_point
from ..statistics import cosine_to_l2

RANKS = (1, 2, 5, 10, 20, 50, 100)
DEEPEST = 100
"""Of the CMC's ranks."""
DET_POINTS = 400


@dataclass(frozen=True)
class Searches:
    """Q searches among all enrolled and all distractors."""

    people: np.ndarray
    """(Q,) numbers of people."""
    mate_score: np.ndarray
    """(Q,); -inf for a search without a mate."""
    above: np.ndarray
    """(Q,): others that score as high as the mate or higher."""
    highest: np.ndarray
    """(Q,): the highest score of other people."""
    probe: np.ndarray
    """(Q,): which photo was searched for; with --mates each it has a search with each of its mates."""

    @property
    def mated(self) -> np.ndarray:
        """(Q,) bool."""
        return np.isfinite(self.mate_score)

    def only(self, which: np.ndarray) -> Searches:
        """Those that are true in `which` (Q,), or of these numbers, in their order."""
        of = self.people, self.mate_score, self.above, self.highest, self.probe
        return Searches(*(each[which] for each in of))


def sizes_of(num_distractors: int) -> list[int]:
    """0, 10, 100, ... and all."""
    powers = (10**power for power in range(1, 12))
    return [
        0,
        *(size for size in powers if size < num_distractors),
        *[num_distractors][: num_distractors > 0],
    ]


def closed_set(searches: Searches, entries: int) -> dict[str, Any]:
    """Rank-k and CMC of the searches with a mate, among so many entries of other people and of the mate."""
    mated = searches.only(searches.mated)
    ranks = [rank for rank in RANKS if rank <= max(1, entries)]
    deepest = np.arange(1, min(DEEPEST, max(1, entries)) + 1)
    return {
        "ranks": [
            {
                "rank": rank,
                "share": float(np.mean(mated.above < rank)),
                "interval": subject_interval(mated.above < rank, mated.people),
            }
            for rank in ranks
        ],
        "cmc": {"rank": deepest.tolist(), "share": cmc(mated.above, deepest.tolist()).tolist()},
        "not_first": int(np.sum(mated.above > 0)),
    }


def by_distractors(
    probes: np.ndarray,
    probe_people: np.ndarray,
    enrolled: np.ndarray,
    enrolled_people: np.ndarray,
    distractors: Reordered,
    searched: Searched,
    own: np.ndarray | None,
    mates: Mates = "best",
    *,
    orders: int,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> list[dict[str, Any]]:
    """Rank-1 with the first 0, 10, 100, ... and all of the distractors, the mean of several random orders.

    Its interval is by person, of the share of orders in which a search is won; its spread is that of orders.

    searched: the search among all distractors, counted at 0 and N of them: a probe that no distractor scores
    above needs no search more. own, mates: as in `search_enrolled`. seed: of the orders.
    """
    sizes = sizes_of(distractors.shape[0])
    mated = np.flatnonzero(searched.mate >= 0)
    before, after = searched.above[mated, 0], searched.above[mated, -1]
    moved = np.unique(searched.probe[mated[after > before]])
    of_moved = np.isin(searched.probe[mated], moved)  # all searches of these probes, as below
    first = np.empty((orders, len(mated), len(sizes)), dtype=bool)
    first[:] = (before == 0)[None, :, None]
    if len(moved):
        for order in range(orders):
            shuffled = generator(seed, DISTRACTOR_ORDER, order).permutation(len(distractors.order))
            found = search_enrolled(
                probes[moved],
                probe_people[moved],
                enrolled,
                enrolled_people,
                Reordered(distractors.rows, distractors.order[shuffled]),
                sizes,
                own=None if own is None else own[moved],
                mates=mates,
            )
            first[order, of_moved] = found.above == 0
            if progress is not None:
                progress(order + 1, orders)
    return [
        {
            "distractors": size,
            "mean": float(shares.mean()),
            "std": float(shares.std(ddof=1)) if several else None,
            "lowest": float(shares.min()),
            "highest": float(shares.max()),
            "orders": orders if several else 1,
            "interval": subject_interval(
                first[:, :, column].mean(axis=0), probe_people[searched.probe[mated]]
            ),
        }
        for column, size in enumerate(sizes)
        for shares in [first[:, :, column].mean(axis=1)]
        for several in [orders > 1 and size not in (0, distractors.shape[0])]
    ]


def nonmated_of(searches: Searches) -> np.ndarray:
    """(Q,) bool: the searches that FPIR is of: those without a mate; where there is none, each probe once,
    without its person."""
    mated = searches.mated
    if not mated.all():
        return ~mated
    first = np.zeros(len(mated), dtype=bool)
    first[np.unique(searches.probe, return_index=True)[1]] = True
    return first


def open_set(searches: Searches, rank: int | None = 1, fpirs: Sequence[float] = FPIRS) -> dict[str, Any]:
    """FNIR(N, R, T) at FPIR, DET, thresholds. Without a search that has no mate, probes with one are searched
    for without their person, and `nonmated_are` says so. rank: R; None for any."""
    mated, nonmated = searches.only(searches.mated), searches.only(nonmated_of(searches))
    points = [_point(mated, nonmated, fpir, rank) for fpir in fpirs]
    stand_ins = mated.only(nonmated_of(mated))
    unsure = [] if searches.mated.all() else [at.fpir for at in points if at.resolution == "unresolved"]
    curve = det(mated.mate_score, mated.above, nonmated.highest, rank)
    kept = np.unique(np.linspace(0, len(curve.fpir) - 1, DET_POINTS).round().astype(int))
    if len(curve.fpir) > DET_POINTS:  # the strict end is where a step is seen
        kept = np.unique(np.geomspace(1, len(curve.fpir), DET_POINTS).round().astype(int) - 1)
    return {
        "rank": rank,
        "nonmated": len(nonmated.people),
        "nonmated_people": len(np.unique(nonmated.people)),
        "nonmated_are": "mated" if searches.mated.all() else "given",
        # Unknown people are never mixed with stand-ins, who are searched for in a gallery without them.
        "stand_ins_show": [
            fpir for fpir in unsure if _point(mated, stand_ins, fpir, rank).resolution != "unresolved"
        ],
        "points": list(map(point_record, points)),
        "det": {"fpir": curve.fpir[kept].tolist(), "fnir": curve.fnir[kept].tolist()},
    }


def _point(mated: Searches, nonmated: Searches, fpir: float, rank: int | None) -> OpenSetPoint:
    return open_set_point(
        mated.mate_score, mated.above, mated.people, nonmated.highest, nonmated.people, fpir, rank
    )


def point_record(point: OpenSetPoint) -> dict[str, Any]:
    """An operating point as plain data, its threshold in cosine and L2."""
    low, high = (_finite(edge) for edge in point.threshold_interval)
    threshold = _finite(point.threshold)
    return {
        "fpir": point.fpir,
        "false_positives": point.false_positives,
        "fnir": point.fnir,
        "fnir_interval": point.fnir_interval,
        "fnir_at_threshold_interval": point.fnir_at_threshold,
        "threshold_cosine": threshold,
        "threshold_cosine_interval": (low, high),
        "threshold_l2": cosine_to_l2(threshold),
        "threshold_l2_interval": (cosine_to_l2(high), cosine_to_l2(low)),
        "resolution": point.resolution,
    }


def _finite(threshold: float) -> float:
    """A threshold that every score reaches is the lowest cosine."""
    return max(-1.0, threshold)


def reference(points: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The operating point that groups are compared at, and photos judged by: FPIR 1e-2 where it is resolved
    at all, else 1e-1, resolved or not: the point says which, and so do the tables of groups."""
    at = {point["fpir"]: point for point in points}
    return at[1e-2] if at[1e-2]["resolution"] != "unresolved" else at[1e-1]


def per_identity(searches: Searches, names: Sequence[str]) -> list[dict[str, Any]]:
    """A row a person with a mate, those found least often first. names: of people, by their numbers."""
    mated = searches.only(searches.mated)
    mated = mated.only(np.argsort(mated.people, kind="stable"))
    people, begin, number = np.unique(mated.people, return_index=True, return_counts=True)
    first = np.add.reduceat(mated.above == 0, begin, dtype=np.int64)
    lowest, highest = np.minimum.reduceat(mated.mate_score, begin), np.maximum.reduceat(mated.highest, begin)
    columns = (each.tolist() for each in (people, number, first, lowest, highest))
    rows = [
        {
            "person": names[person],
            "searches": searched,
            "first": found,
            "lowest_mate_score": lowest_mate,
            "highest_other_score": highest_other,
        }
        for person, searched, found, lowest_mate, highest_other in zip(*columns, strict=True)
    ]
    return sorted(rows, key=lambda row: (row["first"] / row["searches"], row["lowest_mate_score"]))
