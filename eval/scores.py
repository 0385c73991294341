"""The score of two embeddings, the same in any company.

Shapes: P probes, N rows of the gallery, D numbers in an embedding, Q pairs of rows.

It is the cosine of their float32 unit rows, its products (exact in float64) summed in float64, always in the
same order. So it depends on the two rows alone, and equal images have equal scores wherever they lie.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from .errors import SearchError
from .rows import Rows

NUMBERS_AT_ONCE = 2**16  # of float64, in cache
ROWS_AT_ONCE = 4096  # of a gallery that is read again
UNIT_ROUNDOFF = 2.0**-24  # of float32
SAME_IMAGE = 1 - 1e-5
"""Cosine from which two embeddings are taken for those of one image."""


def scores_of_pairs(
    left: np.ndarray, left_rows: np.ndarray, right: np.ndarray, right_rows: np.ndarray
) -> np.ndarray:
    """The scores (Q,) float64 of the pairs left[left_rows], right[right_rows]; left (A, D), right (B, D)."""
    return row_products(unit_rows(left, "probe"), left_rows, unit_rows(right, "mate"), right_rows)


def without_direction(embeddings: np.ndarray) -> np.ndarray:
    """Which of embeddings (N, D), perhaps memory-mapped, are zero or not finite: their rows."""
    step = max(1, 2**20 // embeddings.shape[1])
    bad = []
    for start in range(0, len(embeddings), step):
        part = np.asarray(embeddings[start : start + step])
        with np.errstate(over="ignore", invalid="ignore"):
            squared = np.einsum("nd,nd->n", part, part, dtype=np.float64)
        bad.append(start + np.flatnonzero(~(np.isfinite(squared) & (squared > 0))))
    return np.concatenate(bad) if bad else np.empty(0, dtype=np.int64)


def unit_rows(embeddings: np.ndarray, what: str = "embedding", first: int = 0) -> np.ndarray:
    """embeddings (N, D) divided by their lengths, float32; equal rows stay equal.

    what, first: what an embedding is called in an error, and the number of the first. Raises SearchError.
    """
    units = np.empty(embeddings.shape, dtype=np.float32)
    fill_with_units(units, embeddings, slice(0, len(units)), what, first)
    return units


def fill_with_units(
    units: np.ndarray, embeddings: np.ndarray, part: slice, what: str, first: int = 0
) -> None:
    step = max(1, NUMBERS_AT_ONCE // embeddings.shape[1])
    for start in range(part.start, part.stop, step):
        stop = min(start + step, part.stop)
        with np.errstate(over="ignore"):  # of numbers beyond float32's range, which become inf
            rows = np.asarray(embeddings[start:stop], dtype=np.float32)
        wide = rows.astype(np.float64)
        wide *= wide
        squared = wide.sum(axis=1)
        bad = np.flatnonzero(~(np.isfinite(squared) & (squared > 0)))
        if len(bad):
            number, kind = first + start + int(bad[0]), "is not finite"
            if squared[bad[0]] == 0:
                kind = "has length 0"
            raise SearchError(f"{what} {number:,}, counted from 0, {kind}; embed it again or leave it out")
        np.divide(rows, np.sqrt(squared).astype(np.float32)[:, None], out=units[start:stop])


def margin_of(dimensions: int) -> float:
    """By how much a float32 product of unit rows may differ from their score."""
    # Of rounding errors that add up like random ones, a product's exceeds l sqrt(D) u |x| |y| with a chance
    # below 2 exp(-l^2 / 2), 3e-14 for l = 8 (Higham and Mary, SIAM J. Sci. Comput. 2019); it never exceeds
    # about D u. The last term is for lengths that are nearly 1, and for scores kept in float32.
    return UNIT_ROUNDOFF * (1.01 * min(dimensions, 8 * dimensions**0.5) + 4)


def row_products(
    left: np.ndarray, left_rows: np.ndarray, right: np.ndarray, right_rows: np.ndarray
) -> np.ndarray:
    """Inner products (Q,) float64 of unit rows. Each is a sum along one row, whose order is the same."""
    step = max(1, NUMBERS_AT_ONCE // left.shape[1])
    scores = np.empty(len(left_rows))
    for start in range(0, len(left_rows), step):
        stretch = slice(start, start + step)
        products = left[left_rows[stretch]].astype(np.float64)
        products *= right[right_rows[stretch]]
        scores[stretch] = products.sum(axis=1)
    return scores


@dataclass(frozen=True)
class Pairs:
    """The scores of any pairs of a search, also when their tiles are gone."""

    units: np.ndarray
    """(P, D) unit rows."""
    gallery: Rows

    @property
    def margin(self) -> float:
        """Of their tiles."""
        return margin_of(self.units.shape[1])

    def exact(self, probes: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """The scores (Q,) of pairs by their numbers, (Q,) each."""
        scores, order = np.empty(len(rows)), np.argsort(rows, kind="stable")
        borders = np.searchsorted(
            rows[order], np.arange(0, self.gallery.shape[0] + ROWS_AT_ONCE, ROWS_AT_ONCE)
        )
        for start, stop in pairwise(borders):
            if start < stop:
                pair = order[start:stop]
                needed, place = np.unique(rows[pair], return_inverse=True)
                read = self.gallery[slice(int(needed[0]), int(needed[-1]) + 1)][needed - needed[0]]
                scores[pair] = row_products(self.units, probes[pair], unit_rows(read), place)
        return scores
