"""Operating points of scores, pure: ROC, its area, equal error rate, TAR at FAR.

Shapes: P pairs, T operating points. A score is higher for pairs that are more alike; `genuine` (P,)
is True for two photos of one identity. FAR is the share of impostor pairs that are accepted, TAR that of
genuine pairs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .resolutions import Resolution

Rates = Sequence[float]
"""FARs or FPIRs."""
FARS = (1e-1, 1e-2, 1e-3, 1e-4)


@dataclass(frozen=True)
class Roc:
    """Operating points from strict to lenient; a pair is accepted if its score >= threshold."""

    threshold: np.ndarray
    """(T,) every distinct score, descending; the first one, +inf, accepts nothing."""
    far: np.ndarray
    """(T,) from 0 to 1."""
    tar: np.ndarray
    """(T,) from 0 to 1."""


@dataclass(frozen=True)
class OperatingPoint:
    """What a system does that may accept at most the share `far` of the impostor pairs."""

    far: float
    """The target."""
    tar: float
    false_accepts: int
    """Impostor pairs accepted at the threshold."""
    threshold: float | None
    """Accept at this score and above; None where even the best genuine score would break the target."""
    resolution: Resolution
    """Whether there are enough impostor pairs to see such a FAR at all."""


def roc(scores: np.ndarray, genuine: np.ndarray) -> Roc:
    """The whole curve from one sort. scores (P,), genuine (P,) bool.

    Raises ValueError if a score is not finite or one of the two kinds of pairs is missing.
    """
    scores, genuine = _checked(scores, genuine)
    order = np.argsort(-scores, kind="stable")
    descending, is_genuine = scores[order], genuine[order]
    # Pairs of one score are accepted together: a point at the last pair of each run of equal scores.
    ends = np.append(np.flatnonzero(np.diff(descending)), len(descending) - 1)
    genuine_accepted = np.cumsum(is_genuine)[ends]
    impostor_accepted = ends + 1 - genuine_accepted
    return Roc(
        threshold=np.append(np.inf, descending[ends]),
        far=np.append(0.0, impostor_accepted / np.sum(~genuine)),
        tar=np.append(0.0, genuine_accepted / np.sum(genuine)),
    )


def shown_points(curve: Roc, most: int = 300) -> np.ndarray:
    """Which of a curve's points (at most `most` + 1) a report keeps: of each FAR the highest TAR, evenly by
    the logarithm of the FAR. By their number they would not do: a search's are a hundred thousand up to a FAR
    of 1e-4, and a few thousand beyond."""
    best = np.flatnonzero(np.append(np.diff(curve.far) > 0, True))
    if len(best) <= most:
        return best
    rates = curve.far[best]
    wanted = np.geomspace(rates[rates > 0][0], 1, most)
    places = np.searchsorted(rates, wanted * (1 + 1e-12), side="right") - 1
    return best[np.unique(np.append(0, places))]


def area_under_curve(curve: Roc) -> float:
    """AUC by trapezoids: the chance that a genuine pair scores above an impostor pair, ties counted half."""
    return float(np.sum(np.diff(curve.far) * (curve.tar[1:] + curve.tar[:-1])) / 2)


def equal_error_rate(curve: Roc) -> float:
    """Where the curve, its points joined by straight lines, has FAR = 1 - TAR."""
    excess = curve.far + curve.tar - 1  # rises from -1 to 1
    after = int(np.argmax(excess >= 0))
    share = -excess[after - 1] / (excess[after] - excess[after - 1])
    return float(curve.far[after - 1] + share * (curve.far[after] - curve.far[after - 1]))


def resolution(far: float, num_impostors: float) -> Resolution:
    """Whether FAR can be seen: below one expected false accept it cannot, below ten it is coarse."""
    expected = far * num_impostors
    return "unresolved" if expected < 1 else "coarse" if expected < 10 else "resolved"


def with_wanted(fixed: Rates, wanted: Rates) -> tuple[float, ...]:
    """The rates that every report has and those asked for, each once, in the order of `fixed`."""
    return tuple(sorted({*fixed, *wanted}, reverse=fixed[0] > fixed[-1]))


def of_all(lists: Sequence[Sequence[Mapping[str, Any]]], name: str) -> list[list[Mapping[str, Any]]]:
    """Of the operating points of several reports those whose rate, `name`, is in all of them."""
    places = places_of_all(lists, name)
    return [[points[place[number]] for place in places] for number, points in enumerate(lists)]


def places_of_all(lists: Sequence[Sequence[Mapping[str, Any]]], name: str) -> list[tuple[int, ...]]:
    """Of each rate that is in all lists of operating points its place in each of them."""
    rates = [[point[name] for point in points] for points in lists]
    return [
        tuple(each.index(rate) for each in rates) for rate in rates[0] if all(rate in each for each in rates)
    ]


def tar_at_far(curve: Roc, far: float, num_impostors: int) -> OperatingPoint:
    """The most lenient point whose FAR is at most `far`; an unresolved FAR allows no false accept at all."""
    point = int(np.searchsorted(curve.far, far, side="right")) - 1
    threshold = float(curve.threshold[point])
    return OperatingPoint(
        far=far,
        tar=float(curve.tar[point]),
        false_accepts=round(float(curve.far[point]) * num_impostors),
        threshold=threshold if np.isfinite(threshold) else None,
        resolution=resolution(far, num_impostors),
    )


def point_record(point: OperatingPoint) -> dict[str, float | str | None]:
    """What a report says about a point; plain data."""
    return {
        "far": point.far,
        "tar": point.tar,
        "false_accepts": point.false_accepts,
        "threshold_cosine": point.threshold,
        "threshold_l2": None if point.threshold is None else cosine_to_l2(point.threshold),
        "resolution": point.resolution,
    }


def cosine_to_l2(cosine: float) -> float:
    """Euclidean distance between two unit embeddings at this cosine: L2^2 = 2 - 2 cos."""
    return float(np.sqrt(max(0.0, 2 - 2 * cosine)))


def _checked(scores: np.ndarray, genuine: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    scores, genuine = np.asarray(scores, dtype=np.float64), np.asarray(genuine, dtype=bool)
    if scores.ndim != 1 or scores.shape != genuine.shape:
        raise ValueError(f"scores {scores.shape} and genuine {genuine.shape} must be two lists of one length")
    if not np.isfinite(scores).all():
        raise ValueError(f"{np.sum(~np.isfinite(scores))} of {len(scores)} scores are not finite")
    if genuine.all() or not genuine.any():
        raise ValueError("verification needs genuine and impostor pairs; all pairs are of one kind")
    return scores, genuine
