"""All measures of generated images in one feature space, as a report has them."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np

from .measures import (
    FEW_A_CLASS,
    FEW_A_DIMENSION,
    Estimate,
    TooFewError,
    class_score,
    frechet_distance,
    kernel_distance,
    precision_and_recall,
)

MANIFOLD = 10_000
"""Images of each set at most that precision and recall look at: distances grow as the square."""

Features = tuple[np.ndarray, np.ndarray]
"""(N, D) and logits (N, classes)."""


LEVEL = 0.95


def scores(generated: Features, reference: Features, splits: int) -> dict[str, Any]:
    """Each measure, and how many images it is of. One that has too few images is None, and `refused` says
    why; `marked` says what is to be known of one that has few."""
    refused: dict[str, str] = {}
    found: dict[str, Any] = {"images": len(generated[0]), "references": len(reference[0])}

    def tried(name: str, measure: Any) -> None:
        try:
            found[name] = measure()
        except TooFewError as error:
            found[name], refused[name] = None, str(error)

    tried("class_score", lambda: _plain(class_score(generated[1], splits)) | {"splits": splits})
    tried("frechet_distance", lambda: _plain(frechet_distance(generated[0], reference[0])))
    tried("kernel_distance", lambda: _kernel(generated[0], reference[0]))
    tried("precision_recall", lambda: _manifolds(generated[0], reference[0]))
    few = {
        "class_score": _few_a_class(len(generated[1]) // splits, generated[1].shape[1]),
        "frechet_distance": _few_a_dimension(len(generated[0]), len(reference[0]), generated[0].shape[1]),
    }
    marked = {name: words for name, words in few.items() if words and found[name] is not None}
    return found | {"refused": refused, "marked": marked}


def _few_a_class(size: int, classes: int) -> str:
    """size: images of a split. Empty where they are enough."""
    if size >= FEW_A_CLASS * classes:
        return ""
    return (
        f"a class score of splits of {size:,} images in {classes:,} classes, fewer than "
        f"{FEW_A_CLASS} a class, is too small by its bias; only those of equal splits compare"
    )


def _few_a_dimension(images: int, references: int, dimensions: int) -> str:
    """Empty where both are enough: the bias is of either's covariance, the interval of the generated
    images' draws alone."""
    least = FEW_A_DIMENSION * dimensions
    if min(images, references) >= least:
        return ""
    what = [f"{images:,} images"] * (images < least) + [f"{references:,} reference images"] * (
        references < least
    )
    words = (
        f"a Frechet distance of {' and '.join(what)} in {dimensions:,} dimensions, fewer than "
        f"{FEW_A_DIMENSION} a dimension, is too large by its bias"
    )
    if images < least:
        words += ", and its interval too wide"
    return words if references >= least else f"{words}; the interval is of the generated images' draws alone"


def of_reference(reference: Features, samples: int, splits: int) -> dict[str, Any] | None:
    """The class score of real images: what the generated ones can reach.

    It is of splits as large as those of the samples, as many as there are, since the score grows with a
    split's size. None where the real images do not fill two of them.
    """
    size = samples // splits
    of_real = len(reference[1]) // size if size else 0
    if of_real < 2:
        return None
    try:
        return _plain(class_score(reference[1][: size * of_real], of_real)) | {"splits": of_real}
    except TooFewError:
        return None


def _kernel(generated: np.ndarray, reference: np.ndarray) -> dict[str, Any]:
    estimate, block = kernel_distance(generated, reference)
    assert estimate.parts is not None  # its blocks
    return _plain(estimate) | {"block": block, "images": block * len(estimate.parts)}


def _manifolds(generated: np.ndarray, reference: np.ndarray) -> dict[str, Any]:
    number = min(len(generated), len(reference), MANIFOLD)
    precision, recall = precision_and_recall(generated[:number], reference[:number])
    return {"precision": precision, "recall": recall, "images": number}


def _plain(estimate: Estimate) -> dict[str, Any]:
    """With its 95 % interval: Student's over parts, the normal one where there are none."""
    from scipy.special import ndtri, stdtrit

    error, interval = estimate.standard_error, None
    if error is not None:
        quantile = (1 + LEVEL) / 2
        parts = estimate.parts
        half = error * float(ndtri(quantile) if parts is None else stdtrit(len(parts) - 1, quantile))
        interval = [estimate.value - half, estimate.value + half]
    return asdict(estimate) | {"interval": interval}
