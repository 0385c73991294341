"""1:1 of IJB-B and IJB-C: the share of genuine pairs of templates that is accepted, by that of impostors.

Shapes: P pairs, T templates, D numbers in an embedding.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..scores import scores_of_pairs
from ..statistics import point_record, roc, shown_points, tar_at_far
from ..threshold_intervals import intervals_record, listed_points
from .subjects import counts_of_pairs

FARS = (1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1)
PAIRS_AT_ONCE = 2**20
OF_SUBJECTS = ("interval", "far_interval", "threshold_cosine_interval", "threshold_l2_interval")
UNKNOWN = dict.fromkeys((*OF_SUBJECTS, "tar_at_threshold_interval", "independent_impostors"))
"""Intervals, where nobody says whose the templates are."""


def verified(
    templates: np.ndarray,
    first: np.ndarray,
    second: np.ndarray,
    genuine: np.ndarray,
    subject: np.ndarray | None,
    progress: Callable[[int, int], None] | None = None,
    fars: Sequence[float] = FARS,
) -> dict[str, Any]:
    """TAR at each FAR, exact, of the pairs first (P,), second (P,): rows of templates (T, D).

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
    shown, impostors = shown_points(curve), int(np.sum(~genuine))
    points = [tar_at_far(curve, far, impostors) for far in fars]
    records, counts = [point_record(point) | UNKNOWN for point in points], None
    if subject is not None:
        nobody = subject.max() + 1 + np.arange(len(subject))  # somebody unknown is somebody else each time
        _, person = np.unique(np.where(subject < 0, nobody, subject), return_inverse=True)
        of_points = listed_points(points, curve, scores, genuine, person[first], person[second])
        for record, of_point in zip(records, of_points, strict=True):
            record.update(intervals_record(of_point.intervals))
        errors = [of_point.false.parts[np.unique(person[first[genuine]])] for of_point in of_points]
        accepted = [of_point.accepted for of_point in of_points]
        counts = counts_of_pairs(subject[first[genuine]], accepted, errors)
    return {
        "genuine": len(genuine) - impostors,
        "impostor": impostors,
        "tar_at_far": records,
        "by_subject": counts,
        "roc": {"far": curve.far[shown].tolist(), "tar": curve.tar[shown].tolist()},
    }
