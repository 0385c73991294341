"""1:1 of IJB-B and IJB-C: the share of genuine pairs of templates that is accepted, by that of impostors.

Shapes: P pairs, T templates, D numbers in an embedding.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..scores import scores_of_pairs
from ..statistics import Roc, point_record, roc, tar_at_far
from ..threshold_intervals import ListedPairs, intervals_record, tar_intervals
from .subjects import counts_of_pairs

FARS = (1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1)
PAIRS_AT_ONCE = 2**20
UNKNOWN = dict.fromkeys(("interval", "far_interval", "threshold_cosine_interval", "threshold_l2_interval"))
"""Intervals, where nobody says whose the templates are."""
CURVE_POINTS = 300
"""Of the curve that a report keeps."""


def verified(
    templates: np.ndarray,
    first: np.ndarray,
    second: np.ndarray,
    genuine: np.ndarray,
    subject: np.ndarray | None,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, Any]:
    """TAR at FAR 1e-6 to 1e-1, exact, of the pairs first (P,), second (P,): rows of templates (T, D).

    genuine (P,) bool; subject (T,): whose the templates are, for intervals, -1 where that is not known; None
    where it is of none.
    """
    scores = np.empty(len(first))
    for start in range(0, len(first), PAIRS_AT_ONCE):
        part = slice(start, start + PAIRS_AT_ONCE)
        scores[part] = scores_of_pairs(templates, first[part], templates, second[part])
        if progress is not None:
            progress(min(part.stop, len(first)), len(first))
    curve = roc(scores, genuine)
    mates, others = scores[genuine], scores[~genuine]
    owner = pairs = None
    if subject is not None:
        nobody = subject.max() + 1 + np.arange(len(subject))  # somebody unknown is somebody else each time
        _, person = np.unique(np.where(subject < 0, nobody, subject), return_inverse=True)
        owner = person[first[genuine]]
        pairs = ListedPairs(person[first[~genuine]], person[second[~genuine]], int(person.max()) + 1)
    shown = _shown(curve)
    points = [_point(curve, far, mates, others, owner, pairs) for far in FARS]
    accepted = [mates >= _threshold(point["threshold_cosine"]) for point in points]
    return {
        "genuine": len(mates),
        "impostor": len(others),
        "tar_at_far": points,
        "by_subject": None if subject is None else counts_of_pairs(subject[first[genuine]], accepted),
        "roc": {"far": curve.far[shown].tolist(), "tar": curve.tar[shown].tolist()},
    }


def _point(
    curve: Roc,
    far: float,
    mates: np.ndarray,
    others: np.ndarray,
    owner: np.ndarray | None,
    pairs: ListedPairs | None,
) -> dict[str, Any]:
    at = tar_at_far(curve, far, len(others))
    threshold = np.inf if at.threshold is None else at.threshold
    if owner is None or pairs is None:
        return point_record(at) | UNKNOWN
    sure = tar_intervals(at, curve, mates >= threshold, owner, pairs.accepted(others >= threshold))
    return point_record(at) | intervals_record(sure)


def _threshold(at: float | None) -> float:
    return np.inf if at is None else at


def _shown(curve: Roc) -> np.ndarray:
    """Points of the curve: of each FAR the highest TAR, evenly by the logarithm of their number."""
    best = np.flatnonzero(np.append(np.diff(curve.far) > 0, True))
    places = np.geomspace(1, len(best), min(CURVE_POINTS, len(best))).round().astype(np.int64) - 1
    return best[np.unique(places)]
