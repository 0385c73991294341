"""The real images that are nearest to some generated ones: whether they are learnt by heart."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .sources import BLOCK, Source

QUERIES, NEAREST = 6, 4


@dataclass(frozen=True)
class Neighbours:
    """Of some generated images, the nearest real ones in one space, nearest first."""

    space: str
    places: np.ndarray
    """(Q, K) in the reference's order."""
    distances: np.ndarray
    """(Q, K), Euclidean."""


def in_pixels(images: np.ndarray, reference: Source) -> Neighbours:
    """By the root of the mean squared difference of grey levels 0 .. 255."""
    queries = images.reshape(len(images), -1).astype(np.float64)
    parts = []
    for start in range(0, reference.count, BLOCK):
        block = reference.block(start // BLOCK, min(BLOCK, reference.count - start)).numpy()
        parts.append(_squared(queries, block.reshape(len(block), -1).astype(np.float64)))
    squared = np.concatenate(parts, axis=1) / queries.shape[1]
    return _nearest("pixels", squared)


def in_features(space: str, features: np.ndarray, reference: np.ndarray) -> Neighbours:
    """By the distance of features (Q, D) to those of the reference (M, D)."""
    return _nearest(space, _squared(features.astype(np.float64), reference.astype(np.float64)))


def _squared(queries: np.ndarray, others: np.ndarray) -> np.ndarray:
    crossed = queries @ others.T
    return np.maximum((queries**2).sum(1)[:, None] + (others**2).sum(1) - 2 * crossed, 0)


def _nearest(space: str, squared: np.ndarray) -> Neighbours:
    places = np.argsort(squared, axis=1, kind="stable")[:, :NEAREST]
    return Neighbours(space, places, np.sqrt(np.take_along_axis(squared, places, axis=1)))
