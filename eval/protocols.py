"""Verification protocols by name: how embeddings become scores, thresholds and an accuracy.

Shapes: D numbers in an embedding, P pairs, F folds, numbered 0..F-1. All computing is in
float64. `sphereface`, `clcarwin` and `insightface` follow evaluation.m, lfw_eval.py and verification.py (of
arcface_torch, at commit 166d743) of those projects.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from sphereface_plus.kfold import cosine_scores, kfold_accuracy

if TYPE_CHECKING:
    from sphereface_plus.embedding import Flip  # brings torch along, which scores do not need


@dataclass(frozen=True)
class Outcome:
    """What a protocol makes of P pairs in F folds."""

    scores: np.ndarray
    """(P,) cosines, each as its own fold was scored."""
    correct: np.ndarray
    """(P,) bool, at the threshold of the pair's fold."""
    thresholds: np.ndarray
    """(F,) cosines."""
    per_fold: np.ndarray
    """(F,) accuracies."""


# (embeddings of the pairs' first photos (P, D), of their second photos (P, D), genuine (P,), fold (P,))
Evaluate = Callable[[np.ndarray, np.ndarray, np.ndarray, np.ndarray], Outcome]


@dataclass(frozen=True)
class Protocol:
    """A protocol, its flip fusion and its description for the report."""

    name: str
    flip: Flip
    evaluate: Evaluate
    words: str
    centred: bool = False
    """Whether the mean of a fold's embeddings is subtracted, which a single pair does not have."""
    stretches: bool = False
    """Whether a .bin is cut into ten stretches of its order, whatever kinds of pairs they hold."""


def centred_cosine(first: np.ndarray, second: np.ndarray, genuine: np.ndarray, fold: np.ndarray) -> Outcome:
    """SphereFace's evaluation.m: centring with the mean of nine folds, a grid of 20,001 thresholds."""
    first, second = first.astype(np.float64), second.astype(np.float64)
    grid = np.arange(-10_000, 10_001) / 10_000
    scores, correct, thresholds = np.empty(len(fold)), np.empty(len(fold), dtype=bool), []
    for index in np.unique(fold):
        test = fold == index
        # The mean is over pair members: a photo that is in three pairs counts three times.
        mean = np.concatenate([first[~test], second[~test]]).mean(axis=0)
        centred = cosine_scores(first - mean, second - mean)
        genuine_above, impostor_below, _ = _counts(centred[~test], genuine[~test], grid)
        right = genuine_above + impostor_below  # a score equal to the threshold is wrong either way
        threshold = grid[right == right.max()].mean()
        thresholds.append(threshold)
        scores[test] = centred[test]
        correct[test] = np.where(genuine[test], centred[test] > threshold, centred[test] < threshold)
    return Outcome(scores, correct, np.array(thresholds), _per_fold(correct, fold))


def plain_cosine(first: np.ndarray, second: np.ndarray, genuine: np.ndarray, fold: np.ndarray) -> Outcome:
    """The cosine as it is, and a threshold of all there can be."""
    scores = cosine_scores(first, second)
    thresholds = kfold_accuracy(scores, genuine, fold).thresholds
    correct = (scores > thresholds[fold]) == genuine
    return Outcome(scores, correct, thresholds, _per_fold(correct, fold))


def coarse_cosine(first: np.ndarray, second: np.ndarray, genuine: np.ndarray, fold: np.ndarray) -> Outcome:
    """clcarwin's lfw_eval.py: a grid of 400 thresholds, of the best ones the largest."""
    first, second = first.astype(np.float64), second.astype(np.float64)
    lengths = np.linalg.norm(first, axis=1) * np.linalg.norm(second, axis=1)
    scores = np.einsum("pd,pd->p", first, second) / (lengths + 1e-5)
    correct, thresholds = _on_grid(scores, genuine, fold, np.arange(-1, 1, 0.005))
    return Outcome(scores, correct, thresholds, _per_fold(correct, fold))


def squared_l2(first: np.ndarray, second: np.ndarray, genuine: np.ndarray, fold: np.ndarray) -> Outcome:
    """insightface's verification.py: squared L2, a grid of 400 thresholds, of the best ones the smallest."""
    difference = _unit(first) - _unit(second)
    squared = np.einsum("pd,pd->p", difference, difference)
    # distance < t is -distance > -t, so the smallest best distance is the largest best score.
    correct, negative = _on_grid(-squared, genuine, fold, -np.arange(0, 4, 0.01)[::-1])
    return Outcome(1 - squared / 2, correct, 1 + negative / 2, _per_fold(correct, fold))


_PROTOCOLS = (
    Protocol(
        "sphereface",
        "concat",
        centred_cosine,
        "The embeddings of a crop and of its mirror image are concatenated. For each fold, the mean "
        "embedding over both members of all pairs of the other folds is subtracted; the score is the cosine. "
        "The threshold is the mean of those of the 20,001 values k/10000 that decide the most pairs of the "
        "other folds rightly; where these do not lie side by side, the mean may decide a few pairs fewer. A "
        "genuine pair must score above it, an impostor pair below. Scores and "
        "thresholds belong to the centred embeddings.",
        centred=True,
    ),
    Protocol(
        "cosine",
        "none",
        plain_cosine,
        "One embedding a crop, nothing subtracted; the score is the cosine. The threshold is the mean of "
        "those middles between neighbouring scores that decide the most pairs of the other folds rightly; "
        "where these do not lie side by side, the mean may decide a few pairs fewer. A pair is accepted when "
        "its score is greater.",
    ),
    Protocol(
        "clcarwin",
        "none",
        coarse_cosine,
        "One embedding a crop, nothing subtracted; the score is dot / (length * length + 1e-5). The "
        "threshold is the largest of those of the 400 values -1, -0.995, ... 0.995 that decide the most "
        "pairs of the other folds rightly. A pair is accepted when its score is greater.",
    ),
    Protocol(
        "insightface",
        "sum",
        squared_l2,
        "The embeddings of a crop and of its mirror image are added and normalised; pairs are compared by "
        "squared L2 distance. The threshold is the smallest of those of the 400 values 0, 0.01, ... 3.99 "
        "that decide the most pairs of the other folds rightly. A pair is accepted when its distance is "
        "smaller. Shown as cosine, 1 - L2^2 / 2. A .bin is cut into ten stretches of its order.",
        stretches=True,
    ),
)
PROTOCOLS = {protocol.name: protocol for protocol in _PROTOCOLS}


def _on_grid(
    scores: np.ndarray, genuine: np.ndarray, fold: np.ndarray, grid: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Correctness (P,) and thresholds (F,): accepted is score > threshold, the largest of the grid's best."""
    correct, thresholds = np.empty(len(fold), dtype=bool), []
    for index in np.unique(fold):
        test = fold == index
        genuine_above, _, impostor_up_to = _counts(scores[~test], genuine[~test], grid)
        right = genuine_above + impostor_up_to
        threshold = grid[right == right.max()].max()
        thresholds.append(threshold)
        correct[test] = (scores[test] > threshold) == genuine[test]
    return correct, np.array(thresholds)


def _counts(
    scores: np.ndarray, genuine: np.ndarray, grid: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """At each threshold: genuine pairs above it, impostor pairs below it, impostor pairs up to and on it."""
    of_genuine, of_impostor = np.sort(scores[genuine]), np.sort(scores[~genuine])
    return (
        len(of_genuine) - np.searchsorted(of_genuine, grid, side="right"),
        np.searchsorted(of_impostor, grid, side="left"),
        np.searchsorted(of_impostor, grid, side="right"),
    )


def _per_fold(correct: np.ndarray, fold: np.ndarray) -> np.ndarray:
    return np.array([correct[fold == index].mean() for index in np.unique(fold)])


def _unit(embeddings: np.ndarray) -> np.ndarray:
    embeddings = embeddings.astype(np.float64)
    lengths = np.linalg.norm(embeddings, axis=1, keepdims=True)
    return np.divide(embeddings, lengths, out=np.zeros_like(embeddings), where=lengths > 0)
