"""TARs on one list of pairs, each model's against the first's, people as they share pairs: plain data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .differences import of_rates
from .people import People
from .statistics import Rates, roc, tar_at_far
from .threshold_differences import AtThreshold
from .threshold_intervals import listed_points

TEST = (
    "Difference: TAR minus that of the first model, on the same pairs. Each model has its own threshold, and "
    "the 95 % interval and p (two-sided, Student's t) hold the errors of both. People are the units, as "
    "pairs of one person succeed and fail together. Each FAR is a test of its own."
)


def against_first(
    scores: Sequence[np.ndarray], genuine: np.ndarray, people: People, fars: Rates
) -> list[list[dict[str, Any] | None]]:
    """Of each model and each FAR the difference of the TARs; None of the first model.

    scores: of each model, (P,); genuine (P,) bool; people: who is on the pairs.
    """
    pairs = np.bincount(people.first[genuine], minlength=people.count)
    base, *others = (at_fars(each, genuine, people, fars) for each in scores)
    return [
        [None] * len(fars),
        *([of_rates(*both, pairs) for both in zip(base, other, strict=True)] for other in others),
    ]


def at_fars(scores: np.ndarray, genuine: np.ndarray, people: People, fars: Rates) -> list[AtThreshold]:
    """A model's TARs by person. A genuine pair is its first photo's person's, as in a report's intervals."""
    curve, impostors = roc(scores, genuine), int(np.sum(~genuine))
    points = [tar_at_far(curve, far, impostors) for far in fars]
    owner = people.first[genuine]
    return [
        AtThreshold(
            np.bincount(owner, point.accepted, people.count),
            point.intervals.tar_at_threshold,
            -point.false.parts,  # an FAR too high makes the threshold strict
        )
        for point in listed_points(points, curve, scores, genuine, people.first, people.second)
    ]
