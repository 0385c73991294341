"""How sure the rates and the threshold of an operating point are, where pairs share people."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .intervals import design_effect, few_people_factor, subject_interval, wilson
from .people import People
from .statistics import OperatingPoint, Roc


@dataclass(frozen=True)
class PointIntervals:
    """Of what `tar_at_far` says, 95 %."""

    tar: tuple[float, float]
    """By subject, as a genuine pair is of one person; the threshold kept."""
    far: tuple[float, float]
    """Wilson's, impostor pairs divided by the design effect of their people and the factor of few people."""
    threshold: tuple[float, float | None]
    """The thresholds at the ends of the FAR's interval (Woodruff, JASA 1952); None where at the lower end no
    impostor pair is accepted, so that any higher threshold would do as well."""


def point_intervals(
    point: OperatingPoint, curve: Roc, scores: np.ndarray, genuine: np.ndarray, people: People
) -> PointIntervals:
    """scores (P,), genuine (P,) bool and people: of the pairs whose curve it is."""
    accepted = scores >= (np.inf if point.threshold is None else point.threshold)
    first, second, false = people.first[~genuine], people.second[~genuine], accepted[~genuine]
    compared = People(first, second, people.count, people.named, people.words)
    effect = design_effect(false, np.zeros(len(false), dtype=int), compared) * few_people_factor(compared)
    far = wilson(float(false.mean()), len(false) / effect)
    strict, lenient = (int(np.searchsorted(curve.far, end, side="right")) - 1 for end in far)
    return PointIntervals(
        tar=subject_interval(accepted[genuine], people.first[genuine]),
        far=far,
        threshold=(
            float(curve.threshold[lenient]),
            float(curve.threshold[strict]) if curve.far[strict] > 0 else None,
        ),
    )
