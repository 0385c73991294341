"""Verification accuracy over folds, in numpy alone: the number that training's validation and reports share.

A pair is accepted when its score exceeds the threshold, and a fold's threshold comes from the other folds.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sphereface_plus.errors import UserError


class FoldsError(UserError):
    """Pairs that no accuracy over folds can be taken of; the message does not name their list."""


@dataclass(frozen=True)
class KFold:
    """Accuracy of K folds, each at the threshold of the other K - 1."""

    mean: float
    """Mean of `per_fold`."""
    std: float
    """Standard deviation of `per_fold`, divided by K (not K - 1), as results on LFW are printed."""
    per_fold: np.ndarray
    """float64 (K,), in the order of the fold numbers."""
    thresholds: np.ndarray
    """float64 (K,), by the rule of `kfold_accuracy`."""


def kfold_accuracy(scores: np.ndarray, genuine: np.ndarray, fold: np.ndarray) -> KFold:
    """Accuracy of each fold at a threshold from the others; all arguments (N,), a higher score = more alike.

    The threshold is the mean of the candidates that decide the most pairs of the other folds rightly.
    Candidates are the middles between neighbouring distinct scores and one at each end (accept all, accept
    none): accuracy is constant between neighbours, so no other threshold does better. The best candidates
    need not lie side by side; their mean may then decide a few pairs fewer than they do.
    Raises ValueError for other shapes, scores that are not finite, fewer than two folds, or pairs of one kind
    only.
    """
    scores, genuine, fold = np.asarray(scores, np.float64), np.asarray(genuine, bool), np.asarray(fold)
    if scores.ndim != 1 or not scores.shape == genuine.shape == fold.shape:
        raise ValueError(
            f"scores, genuine and fold must be (N,), got {scores.shape}, {genuine.shape}, {fold.shape}"
        )
    if not np.isfinite(scores).all():
        raise ValueError(f"{np.count_nonzero(~np.isfinite(scores))} of {len(scores)} scores are not finite")
    if genuine.all() or not genuine.any():
        raise ValueError(_one_kind(genuine))
    folds = np.unique(fold)
    if len(folds) < 2:
        raise ValueError(
            "accuracy over folds needs at least two folds; cut a list that has none with ten_folds"
        )
    order = np.argsort(scores)  # once for all folds: a part of a sorted array is sorted
    scores, genuine, fold = scores[order], genuine[order], fold[order]
    thresholds, per_fold = np.empty(len(folds)), np.empty(len(folds))
    for k, number in enumerate(folds):
        test = fold == number
        thresholds[k] = _mean_of_best(scores[~test], genuine[~test])
        per_fold[k] = np.mean((scores[test] > thresholds[k]) == genuine[test])
    return KFold(float(per_fold.mean()), float(per_fold.std()), per_fold, thresholds)


def _one_kind(genuine: np.ndarray) -> str:
    return f"accuracy needs genuine and impostor pairs, got {genuine.sum()} genuine of {len(genuine)}"


def _mean_of_best(scores: np.ndarray, genuine: np.ndarray) -> float:
    """The threshold by the rule of `kfold_accuracy`, for ascending scores (N,)."""
    last = np.flatnonzero(np.append(scores[1:] > scores[:-1], True))  # where each run of equal scores ends
    distinct = scores[last]
    middles = (distinct[:-1] + distinct[1:]) / 2
    middles = np.minimum(
        middles, np.nextafter(distinct[1:], -np.inf)
    )  # rounding must not reach the upper neighbour
    candidates = np.concatenate(([np.nextafter(distinct[0], -np.inf)], middles, distinct[-1:]))
    # Candidate j rejects the j lowest distinct scores.
    rejected_genuine = np.concatenate(([0], np.cumsum(genuine)[last]))
    rejected_impostor = np.concatenate(([0], np.cumsum(~genuine)[last]))
    right = genuine.sum() - rejected_genuine + rejected_impostor
    return float(candidates[right == right.max()].mean())


def ten_folds(genuine: np.ndarray) -> np.ndarray:
    """Folds 0..9, int64 (N,), for pairs that have none: ten equal stretches of the genuine pairs, ten of the
    others.

    Stretches, as lists go by name: a person's pairs then mostly stay in one fold.
    """
    genuine = np.asarray(genuine, bool)
    fold = np.empty(len(genuine), dtype=np.int64)
    for kind in (genuine, ~genuine):
        number = np.count_nonzero(kind)
        fold[kind] = np.arange(number) * 10 // max(number, 1)
    return fold


def ten_stretches(count: int) -> np.ndarray:
    """Folds 0..9, int64 (count,), as insightface's evaluation cuts pairs, whatever their kinds:
    scikit-learn's KFold(10) without shuffling. One fold where there are fewer than ten pairs.
    """
    if count < 10:
        return np.zeros(count, dtype=np.int64)
    sizes = np.full(10, count // 10)
    sizes[: count % 10] += 1
    return np.repeat(np.arange(10), sizes)


def one_kind_folds(genuine: np.ndarray, fold: np.ndarray) -> list[int]:
    """The folds that hold genuine pairs only, or impostor pairs only: thresholds are then chosen among other
    shares of the kinds than they are tried on, which costs tens of percents."""
    shares = {int(number): np.mean(genuine[fold == number]) for number in np.unique(fold)}
    return [number for number, share in shares.items() if share in (0, 1)]


def folds_of(genuine: np.ndarray, fold: np.ndarray) -> np.ndarray:
    """The folds of a list as it has them, or ten_folds where it has none (all 0); genuine, fold (N,).

    Raises FoldsError for a list's folds of one kind of pairs, and for pairs of one kind or too few.
    """
    if genuine.all() or not genuine.any():
        raise FoldsError(_one_kind(genuine))
    if not fold.any():
        fold = ten_folds(genuine)
        if not fold.any():
            raise FoldsError("a genuine and an impostor pair are too few; ten of each give ten folds")
        return fold
    wrong = one_kind_folds(genuine, fold)
    if wrong:
        kind = "genuine" if genuine[fold == wrong[0]].all() else "impostor"
        raise FoldsError(
            f"fold {wrong[0] + 1} holds {kind} pairs only ({len(wrong)} of the {int(fold.max()) + 1} folds "
            "hold one kind); a threshold needs both, so mix them, or leave the folds out"
        )
    return fold


def cosine_scores(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Cosines float64 (N,) between the rows of two arrays (N, D); 0 where a row is zero."""
    first, second = np.asarray(first, np.float64), np.asarray(second, np.float64)
    if first.ndim != 2 or first.shape != second.shape:
        raise ValueError(f"embeddings must be two arrays (N, D), got {first.shape} and {second.shape}")
    product = np.einsum("nd,nd->n", first, second)
    lengths = np.linalg.norm(first, axis=1) * np.linalg.norm(second, axis=1)
    return np.divide(product, lengths, out=np.zeros_like(product), where=lengths > 0)
