"""1:1 of IJB-B and IJB-C: the share of genuine pairs of templates that is accepted, by that of impostors.

Shapes: P pairs, T templates, D numbers in an embedding.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..intervals import subject_interval
from ..search import scores_of_pairs
from ..statistics import Roc, cosine_to_l2, roc, tar_at_far

FARS = (1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1)
PAIRS_AT_ONCE = 2**20
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

    genuine (P,) bool; subject (T,): whose the templates are, for intervals; None where that is not known.
    """
    scores = np.empty(len(first))
    for start in range(0, len(first), PAIRS_AT_ONCE):
        part = slice(start, start + PAIRS_AT_ONCE)
        scores[part] = scores_of_pairs(templates, first[part], templates, second[part])
        if progress is not None:
            progress(min(part.stop, len(first)), len(first))
    curve = roc(scores, genuine)
    mates = scores[genuine]
    owner = None if subject is None else subject[first[genuine]]
    impostors = len(first) - len(mates)
    shown = _shown(curve)
    return {
        "genuine": len(mates),
        "impostor": impostors,
        "tar_at_far": [_point(curve, far, impostors, mates, owner) for far in FARS],
        "roc": {"far": curve.far[shown].tolist(), "tar": curve.tar[shown].tolist()},
    }


def _point(
    curve: Roc, far: float, impostors: int, mates: np.ndarray, owner: np.ndarray | None
) -> dict[str, Any]:
    point = tar_at_far(curve, far, impostors)
    accepted = mates >= (np.inf if point.threshold is None else point.threshold)
    return {
        "far": far,
        "tar": point.tar,
        "interval": None if owner is None else list(subject_interval(accepted, owner)),
        "false_accepts": point.false_accepts,
        "threshold_cosine": point.threshold,
        "threshold_l2": None if point.threshold is None else cosine_to_l2(point.threshold),
        "resolution": point.resolution,
    }


def _shown(curve: Roc) -> np.ndarray:
    """Points of the curve: of each FAR the highest TAR, evenly by the logarithm of their number."""
    best = np.flatnonzero(np.append(np.diff(curve.far) > 0, True))
    places = np.geomspace(1, len(best), min(CURVE_POINTS, len(best))).round().astype(np.int64) - 1
    return best[np.unique(places)]
