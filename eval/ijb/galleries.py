"""1:N of IJB-B and IJB-C: probes searched in each of two galleries, whose subjects differ.

A probe whose subject is in the other gallery, or in none, is a search without a mate. Ranks and FNIR at FPIR
are those of search_statistics.py.

Shapes: P probes, G templates of a gallery, T templates, D numbers in an embedding.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from sphereface_plus.data.formats.ijb import IjbError

from ..enrolled import search_enrolled
from ..groups import Groups
from ..identify.groups import per_group
from ..identify.numbers import Searches, closed_set, open_set, reference
from ..resolutions import least_sure
from ..search_statistics import FPIRS
from .subjects import counts_of_searches

RANKS = (1, 5, 10)


def searched(
    probes: np.ndarray,
    probe_subject: np.ndarray,
    gallery: np.ndarray,
    gallery_subject: np.ndarray,
    name: str,
    rank: int | None = 1,
    progress: Callable[[int, int], None] | None = None,
    groups: Groups | None = None,
    fpirs: Sequence[float] = FPIRS,
) -> dict[str, Any]:
    """What comes of searching probes (P, D) of subjects (P,) in a gallery (G, D) of subjects (G,). rank: R of
    FNIR(N, R, T); None for any; fpirs: to give the FNIR at.

    Raises IjbError where the gallery holds no probe's subject, or one subject alone.
    """
    if len(np.unique(gallery_subject)) < 2:
        raise IjbError(f"{name}: holds one subject; a search needs others beside the mate")
    if not np.isin(probe_subject, gallery_subject).any():
        raise IjbError(f"{name}: holds no subject of a probe; are these the lists of one set?")
    nobody = np.empty((0, probes.shape[1]), dtype=np.float32)
    found = search_enrolled(probes, probe_subject, gallery, gallery_subject, nobody, [0], progress=progress)
    searches = Searches(
        probe_subject, found.mate_score, found.above[:, 0], found.other_scores[:, 0], found.probe
    )
    opened = open_set(searches, rank, fpirs)
    names = {subject: str(subject) for subject in np.unique(probe_subject).tolist()}
    at = reference(opened["points"])
    return {
        "name": name,
        "templates": len(gallery),
        "subjects": len(np.unique(gallery_subject)),
        "mated": int(searches.mated.sum()),
        "mated_subjects": len(np.unique(probe_subject[searches.mated])),
        **closed_set(searches, len(gallery)),
        "open_set": opened,
        "by_subject": counts_of_searches(searches, opened),
        "per_group": None if groups is None else per_group(searches, names, groups, at, rank),
    }


def mean_of(galleries: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Rank-k and FNIR, the means of two galleries of different subjects."""

    def mean(points: Sequence[dict[str, Any]], value: str, interval: str) -> dict[str, Any]:
        share, ends = mean_with_interval([(point[value], point[interval]) for point in points])
        return {"share": share, "interval": list(ends)}

    ranks = [[_of(one["ranks"], rank) for one in galleries] for rank in RANKS]
    points = list(zip(*(one["open_set"]["points"] for one in galleries), strict=True))
    return {
        "ranks": [
            {"rank": rank, **mean(both, "share", "interval")}
            for rank, both in zip(RANKS, ranks, strict=True)
            if all(both)
        ],
        "fnir": [
            {"fpir": both[0]["fpir"], **mean(both, "fnir", "fnir_interval")}
            | {"resolution": least_sure(point["resolution"] for point in both)}
            for both in points
        ],
    }


def _of(points: Sequence[dict[str, Any]], rank: int) -> dict[str, Any]:
    """The rank's; {} where the gallery is too small for it."""
    return next((point for point in points if point["rank"] == rank), {})


def mean_with_interval(
    shares: Sequence[tuple[float, tuple[float, float]]],
) -> tuple[float, tuple[float, float]]:
    """The mean of shares, or of differences, each with its interval, and an interval of it: from the mean of
    the low ends to that of the high ones.

    That is as wide as if both always erred in one direction, as they may: a probe with its mate in one
    gallery is one without in the other, and sets the threshold there. An end that neither can tell, 0 or 1,
    stays so.
    """
    share = float(np.mean([share for share, _ in shares]))
    low, high = np.mean([interval for _, interval in shares], axis=0).tolist()
    return share, (low, high)
