"""Eq. (8) from a sample of the prototypes: for so many classes that a step does not go through all.

A step sees the K classes of its batch and n - K others, drawn without replacement from the C - K. Pairs
within the batch are counted as they are, pairs with one of the others (C - K) / (n - K) times:

    1/(m (C - 1))  sum_i  [ sum_{j in batch, not y_i} f(y_i, j) + (C - K)/(n - K) sum_{j drawn} f(y_i, j) ]

Whatever the batch is, the expectation over the draws is Eq. (8), and that of its gradient the gradient's. As
each label's sum is estimated without bias, so are sums in which labels count differently: class_balanced.py's
weights do not depend on the draw, so that its expectation over batches and draws is the full-space energy.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor

from .classifier import classifier_energy
from .kernel import Distance, at_least_float32
from .share import Share, all_of


def weight_of_drawn(*, batch: int, seen: int, classes: int) -> float:
    """(C - K) / (n - K): how often each of the n - K drawn counts in an unbiased estimate of a sum over the
    `classes` C, of which `batch` K are there in any case and `seen` n in all."""
    return (classes - batch) / (seen - batch)


def sampled_classifier_energy(
    prototypes: Tensor,
    labels: Tensor,
    *,
    num_classes: int,
    certain: Tensor | None = None,
    power: float = 2.0,
    distance: Distance = "euclidean",
    chunk_size: int = 4096,
    class_weights: Tensor | None = None,
    share: Share | None = None,
) -> Tensor:
    """An unbiased estimate of Eq. (8) over `num_classes` prototypes, from n of them; a scalar.

    prototypes: (n, D), those of the batch's classes and others, at least one, drawn without replacement.
    labels: (m,) in 0..n-1, the rows of the batch's own.
    num_classes: C >= n; where they are equal it is Eq. (8).
    certain: (K,) the rows that were not drawn but taken, ascending, the labels' among them; only these where
        it is not given. A part of a batch gives those of the whole batch.
    class_weights: (n,), as of `classifier_energy`, of the rows that were given.
    share: which of the n prototypes `prototypes` (h, D) are, h >= 0, where other processes hold the others;
        labels are then those of all processes, as of `classifier_energy`.
    The rest, and what is raised, as of `classifier_energy`; ValueError also where nothing was drawn.
    """
    share = all_of(prototypes) if share is None else share
    seen = share.num_classes
    how: dict[str, Any] = {"power": power, "distance": distance, "chunk_size": chunk_size}
    how |= {"class_weights": class_weights, "share": share}
    if seen == num_classes:
        return classifier_energy(prototypes, labels, **how)
    certain = labels.unique() if certain is None else certain
    batch = len(certain)
    if not batch < seen < num_classes:
        raise ValueError(
            f"{seen} prototypes were given of {num_classes}, {batch} of them the batch's own: an estimate "
            "needs at least one more than those, and no more than there are"
        )
    weight = weight_of_drawn(batch=batch, seen=seen, classes=num_classes)
    other_weights = at_least_float32(prototypes).new_full((len(prototypes),), weight)
    other_weights[share.rows_of(prototypes, certain)] = 1
    energy = classifier_energy(prototypes, labels, other_weights=other_weights, **how)
    return (seen - 1) / (num_classes - 1) * energy
