"""All measures of generated images in one feature space, as a report has them."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np

from .measures import (
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
    marked = {} if found["frechet_distance"] is None else _marked(*generated[0].shape)
    return found | {"refused": refused, "marked": marked}


def _marked(images: int, dimensions: int) -> dict[str, str]:
    if images >= FEW_A_DIMENSION * dimensions:
        return {}
    words = (
        f"a Frechet distance of {images:,} images in {dimensions:,} dimensions, fewer than {FEW_A_DIMENSION} "
        "a dimension, is too large by its bias, and its interval too wide"
    )
    return {"frechet_distance": words}


def of_reference(reference: Features, splits: int) -> dict[str, Any] | None:
    """The class score of real images: what the generated ones can reach. None where they are too few."""
    try:
        return _plain(class_score(reference[1], splits)) | {"splits": splits}
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
