"""Verification accuracy over folds, in numpy alone: the number that validation in training and reports share.

A pair is accepted when its score is greater than the threshold. The threshold for a fold comes from the others.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class KFold:
    """Accuracy of K folds, each at the threshold of the other K - 1."""

    mean: float
    """Mean of `per_fold`."""
    std: float
    """Standard deviation of `per_fold`, divided by K (not K - 1), as LFW results are printed."""
    per_fold: np.ndarray
    """float64 (K,), in the order of the sorted fold numbers."""
    thresholds: np.ndarray
    """float64 (K,)."""


def kfold_accuracy(scores: np.ndarray, genuine: np.ndarray, fold: np.ndarray) -> KFold:
    """Accuracy of each fold at the best threshold of the others. All arguments are (N,); scores: higher = more alike.

    Raises ValueError for other shapes, non-finite scores, fewer than two folds, or pairs of one kind only.
    """
    scores, genuine, fold = np.asarray(scores, np.float64), np.asarray(genuine, bool), np.asarray(fold)
    if not scores.shape == genuine.shape == fold.shape or scores.ndim != 1:
        raise ValueError(
            f"scores, genuine and fold must be (N,), got {scores.shape}, {genuine.shape} and {fold.shape}"
        )
    if not np.isfinite(scores).all():
        raise ValueError(f"{np.count_nonzero(~np.isfinite(scores))} of {len(scores)} scores are not finite")
    if genuine.all() or not genuine.any():
        raise ValueError(
            f"accuracy needs genuine and impostor pairs, got {genuine.sum()} genuine of {len(genuine)}"
        )
    folds = np.unique(fold)
    if len(folds) < 2:
        raise ValueError("accuracy over folds needs at least two; cut a single list with ten_folds")
    order = np.argsort(scores, kind="stable")
    scores, genuine, fold = scores[order], genuine[order], fold[order]
    thresholds = np.array([_best_threshold(scores[fold != f], genuine[fold != f]) for f in folds])
    per_fold = np.array(
        [
            np.mean((scores[fold == f] > t) == genuine[fold == f])
            for f, t in zip(folds, thresholds, strict=True)
        ]
    )
    return KFold(float(per_fold.mean()), float(per_fold.std()), per_fold, thresholds)


def _best_threshold(scores: np.ndarray, genuine: np.ndarray) -> float:
    """Mean of the candidate thresholds that decide the most pairs rightly; scores ascend.

    Candidates are the middles between neighbouring distinct scores, and one at each end (accept all, accept none):
    accuracy does not change between neighbouring scores, so no other threshold does better.
    """
    last = np.flatnonzero(np.append(scores[1:] > scores[:-1], True))  # last of each run of equal scores
    below, above = scores[last[:-1]], scores[last[1:]]
    middles = np.minimum(
        (below + above) / 2, np.nextafter(above, -np.inf)
    )  # < above, also for adjacent floats
    candidates = np.concatenate(([np.nextafter(scores[0], -np.inf)], middles, [scores[-1]]))
    accepted_genuine = genuine.sum() - np.concatenate(([0], np.cumsum(genuine)[last]))
    rejected_impostor = np.concatenate(([0], np.cumsum(~genuine)[last]))
    correct = accepted_genuine + rejected_impostor
    return float(candidates[correct == correct.max()].mean())


def ten_folds(genuine: np.ndarray) -> np.ndarray:
    """Folds int64 (N,) for a list that has none: ten stretches of the genuine and ten of the impostor pairs, in order.

    Stretches, since lists go by name: most of a person's pairs then stay in one fold.
    """
    genuine = np.asarray(genuine, bool)
    fold = np.empty(len(genuine), dtype=np.int64)
    for kind in (genuine, ~genuine):
        fold[kind] = np.arange(kind.sum()) * 10 // max(kind.sum(), 1)
    return fold


def cosine_scores(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Cosines float64 (N,) of the rows of two (N, D) arrays; 0 where a row is zero."""
    first, second = np.asarray(first, np.float64), np.asarray(second, np.float64)
    if first.ndim != 2 or first.shape != second.shape:
        raise ValueError(f"embeddings must be two arrays (N, D), got {first.shape} and {second.shape}")
    product = np.einsum("nd,nd->n", first, second)
    lengths = np.linalg.norm(first, axis=1) * np.linalg.norm(second, axis=1)
    return np.divide(product, lengths, out=np.zeros_like(product), where=lengths > 0)
