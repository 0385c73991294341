"""Numbers of searches, pure: who is found among how many (closed set), and at which threshold nobody is (open
set). Those of pairs are in statistics.py.

Shapes: Q searches, P probes; M searches with a mate, U without. Terms are those of ISO/IEC 19795-1 and NIST's
FRTE 1:N. Scores are those of scores.py, higher for what is more alike; at a threshold T everything of score T
and more is returned. Ties are lost: see tallies.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .impostors import EDGES, Impostors
from .intervals import shares_seen, subject_interval, sure_trials, trials_of_counts
from .statistics import Resolution, Roc, resolution
from .threshold_intervals import widened

FPIRS = (1e-1, 1e-2, 1e-3)


def leave_one_out(people: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """MegaFace's searches, probe (Q,) and mate (Q,): each image, with each other one of its person as mate.

    people (P,): numbers of people. A person of one image is in none.
    """
    order = np.argsort(people, kind="stable")
    _, begin, count = np.unique(people[order], return_index=True, return_counts=True)
    probes, mates = [], []
    for first, number in zip(begin, count, strict=True):
        own = order[first : first + number]
        probe, mate = np.divmod(np.arange(number * number), number)
        probes.append(own[probe[probe != mate]])
        mates.append(own[mate[probe != mate]])
    probe, mate = np.concatenate(probes), np.concatenate(mates)
    by_probe = np.lexsort((mate, probe))
    return probe[by_probe], mate[by_probe]


def cmc(counts: np.ndarray, ranks: Sequence[int]) -> np.ndarray:
    """Cumulative match characteristic: the share of searches whose mate is among the best k, for each k of
    ranks. counts (Q,): how many score as high as the mate or higher."""
    return np.searchsorted(np.sort(counts), np.asarray(ranks)) / len(counts)


@dataclass(frozen=True)
class OpenSetPoint:
    """What a threshold does that returns somebody in at most the share `fpir` of searches without a mate."""

    fpir: float
    """The target."""
    threshold: float
    """The lowest that keeps to it."""
    threshold_interval: tuple[float, float]
    """Those that so many searches, by subject, may well reach where the FPIR is the target (Woodruff)."""
    false_positives: int
    """Searches without mate in which somebody is returned."""
    fnir: float
    fnir_interval: tuple[float, float]
    """By subject, of the searches with a mate, and of the threshold by its own interval."""
    fnir_at_threshold: tuple[float, float]
    """At the ends of the threshold's interval."""
    resolution: Resolution
    """Whether there are enough searches without mate, those of one subject that depend counted as fewer, to
    see such an FPIR at all."""


def open_set_point(
    mate_score: np.ndarray,
    above: np.ndarray,
    people: np.ndarray,
    highest: np.ndarray,
    highest_people: np.ndarray,
    fpir: float,
    rank: int | None = None,
) -> OpenSetPoint:
    """FNIR(N, R, T) at FPIR(N, T) = fpir.

    mate_score, above, people (M,): of the searches with a mate, its score, how many others score as high or
    higher, and whose they are; highest, highest_people (U,): of those without, the highest score of each.
    FPIR counts searches, not pairs. rank: R; None for candidate lists of any length.
    """
    highest_first = -np.sort(-highest)
    threshold = _threshold(highest_first, fpir)
    lost = missed(mate_score, above, threshold, rank)
    false = highest >= threshold
    _, which, searches = np.unique(highest_people, return_inverse=True, return_counts=True)
    low, high = shares_seen(fpir, sure_trials(np.bincount(which, false), searches))
    lenient, strict = _threshold(highest_first, high), _upper_threshold(highest_first, low)
    missed_if_strict, missed_if_lenient = (
        float(missed(mate_score, above, end, rank).mean()) for end in (strict, lenient)
    )
    found = widened(
        1 - float(lost.mean()),
        subject_interval(~lost, people),
        1 - missed_if_strict,
        1 - missed_if_lenient,
        -correlation(~lost, people, false, highest_people),
    )
    return OpenSetPoint(
        fpir=fpir,
        threshold=threshold,
        threshold_interval=(lenient, strict),
        false_positives=int(false.sum()),
        fnir=float(lost.mean()),
        fnir_interval=(1 - found[1], 1 - found[0]),
        fnir_at_threshold=(missed_if_lenient, missed_if_strict),
        resolution=resolution(fpir, _trials(false, highest_people)),
    )


def _trials(true: np.ndarray, subject: np.ndarray) -> float:
    """As many independent searches would show the same variance by subjects, that of n of them being
    estimated as that of one / (n - 1); rounded, so that n of n subjects are n."""
    _, which, searches = np.unique(subject, return_inverse=True, return_counts=True)
    return min(float(len(true)), round(trials_of_counts(np.bincount(which, true), searches) + 1, 6))


def correlation(one: np.ndarray, of: np.ndarray, other: np.ndarray, other_of: np.ndarray) -> float:
    """Of the errors of two shares by people, 0 where nobody is in both.

    one, of (Q,): which searches, and whose they are, numbers; other, other_of likewise.
    """
    people = max(of.max(), other_of.max()) + 1
    first = np.bincount(of, one - one.mean(), people)
    second = np.bincount(other_of, other - other.mean(), people)
    length = float(np.sqrt(np.sum(first**2) * np.sum(second**2)))
    return float(np.sum(first * second)) / length if length else 0.0


@dataclass(frozen=True)
class Det:
    """Detection error trade-off, from the strictest threshold to the most lenient; (T,) each."""

    threshold: np.ndarray
    fpir: np.ndarray
    fnir: np.ndarray


def det(mate_score: np.ndarray, above: np.ndarray, highest: np.ndarray, rank: int | None = None) -> Det:
    """FNIR against FPIR at every number of false positives that a threshold can have."""
    distinct = np.unique(highest)[::-1]
    threshold = np.append(np.nextafter(distinct, np.inf), -np.inf)
    found = np.sort(mate_score if rank is None else mate_score[above < rank])
    return Det(
        threshold=threshold,
        fpir=(len(highest) - np.searchsorted(np.sort(highest), threshold)) / len(highest),
        fnir=1 - (len(found) - np.searchsorted(found, threshold)) / len(mate_score),
    )


def roc_of(genuine: np.ndarray, impostors: Impostors) -> Roc:
    """The ROC of genuine scores (Q,) and of the impostors' of a search.

    Exact at every score that is higher than the lowest of `impostors.highest`, of whose equals some may have
    been left out, and at that one, too, if all are there; below that at the thresholds EDGES, where an
    impostor counts by its float32 product.
    """
    highest, genuine = impostors.highest[::-1], np.sort(genuine)
    floor = highest[0] if len(highest) == impostors.count else np.nextafter(highest[0], np.inf)
    highest = highest[highest >= floor]
    above = np.unique(np.append(highest, genuine[genuine >= floor]))[::-1]
    grid, on_grid = EDGES[::-1], impostors.at_or_above_edges[::-1]
    below = (grid < floor) & (on_grid > len(highest))  # where more are accepted than at the floor
    accepted = np.append(len(highest) - np.searchsorted(highest, above), on_grid[below])
    threshold = np.concatenate([[np.inf], above, grid[below]])
    far = np.append(0.0, np.maximum.accumulate(accepted) / impostors.count)
    tar = (len(genuine) - np.searchsorted(genuine, threshold)) / len(genuine)
    return Roc(threshold, far, tar)


def _threshold(highest_first: np.ndarray, share: float) -> float:
    """The lowest threshold that at most this share of the scores, given in descending order, reaches."""
    allowed = int(np.floor(share * len(highest_first) * (1 + 1e-12)))  # .07 * 100 is 7, and a little more
    return float(np.nextafter(highest_first[allowed], np.inf)) if allowed < len(highest_first) else -np.inf


def _upper_threshold(highest_first: np.ndarray, share: float) -> float:
    """The lowest threshold that less than this share of the scores, given in descending order, reaches.

    Where that may be none of them it is 1, the largest cosine: how far above the highest score seen the
    threshold may have to lie, these searches do not show. Above a copy's score, which is 1 or a rounding
    error more, it is the next number, as the threshold itself."""
    fewest = int(np.floor(share * len(highest_first) * (1 + 1e-12)))
    if fewest == 0:
        return max(1.0, float(np.nextafter(highest_first[0], np.inf)))
    return float(np.nextafter(highest_first[fewest - 1], np.inf))


def missed(mate_score: np.ndarray, above: np.ndarray, threshold: float, rank: int | None) -> np.ndarray:
    """Which mates (M,) are missed, as FNIR(N, R, T) counts it: not among the best R, or below T.

    rank: R; None for candidate lists of any length, R = N.
    """
    below = mate_score < threshold
    return below if rank is None else below | (above >= rank)
