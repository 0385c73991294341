"""The scores of all pairs of a search: the highest of them, and how many there are at each score.

Shapes: P probes, N rows of the gallery. Scores are those of scores.py.
"""

from __future__ import annotations

from threading import Lock
from typing import TYPE_CHECKING

import numpy as np

from .scores import Pairs
from .search import LOWEST, Tile
from .tallies import everybodys, total

if TYPE_CHECKING:
    from sphereface_plus.processes import Processes

GRID = 2**16
"""Cells of a score on either side of 0, each as wide as float32's error for embeddings of 256 dimensions."""
GRID_AT = np.float32(192)  # float32 numbers from 128 to 256 are 1 / GRID apart
CELLS = 2 * GRID + 4  # k / GRID is in cell GRID + 2 + k, what is left out in cell 0
LINES_AT_ONCE = 16  # in cache


class Impostors:
    """The scores of all pairs: the `most` highest of them with their pairs, and counts of all on a grid."""

    sizes = ()

    def __init__(self, most: int) -> None:
        self.most = most
        self.floor = float(LOWEST)
        """A pair whose float32 product is below it is not among the highest."""
        self.found: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
        self.on_grid: dict[int, np.ndarray] = {}

    def start(self, pairs: Pairs) -> None:
        self.pairs = pairs
        self.lock = Lock()  # not before: a tally that has not begun can be sent to other processes

    def take(self, tile: Tile) -> None:
        self._count(tile)
        floor = self.floor
        if floor == LOWEST:
            floor = self._floor_of(tile.highest.ravel())
        place, row = tile.at_or_above(np.full(len(tile.probes), floor, dtype=np.float32))
        if not len(place):
            return
        with self.lock:
            self.found.append((tile.scores[place, row], tile.first_probe + place, tile.first_row + row))
            if sum(len(products) for products, *_ in self.found) > 2 * self.most:
                self._forget()

    def _floor_of(self, products: np.ndarray) -> float:
        if len(products) < self.most:
            return self.floor
        lowest = np.partition(products, -self.most)[-self.most]
        # Each is off by a margin at most.
        return max(
            self.floor, float(np.nextafter(lowest - np.float32(2 * self.pairs.margin), np.float32(-np.inf)))
        )

    def _forget(self) -> None:
        product, probe, row = (np.concatenate(parts) for parts in zip(*self.found, strict=True))
        self.floor = self._floor_of(product)
        kept = np.flatnonzero(product >= self.floor)
        if len(kept) > 1.5 * self.most:  # nearly all are that close, as copies of one image are
            scores = self.pairs.exact(probe[kept], row[kept])
            best = np.argpartition(scores, -self.most)[-self.most :]
            kept = kept[best]
            product[kept] = scores[best]
        self.found = [(product[kept], probe[kept], row[kept])]

    def _count(self, tile: Tile) -> None:
        import torch

        cells = np.empty(tile.scores.shape, dtype=np.int32)
        for start in range(0, len(cells), LINES_AT_ONCE):
            part = cells[start : start + LINES_AT_ONCE]
            # Rounds to the grid, whose steps are then those of whole numbers; -inf is far below them.
            np.add(tile.scores[start : start + LINES_AT_ONCE], GRID_AT, out=part.view(np.float32))
            part -= GRID_AT.view(np.int32) - np.int32(GRID + 2)
            np.maximum(part, 0, out=part)
        counts = torch.bincount(torch.from_numpy(cells.ravel()), minlength=CELLS).numpy()
        counts[CELLS - 1] += counts[CELLS:].sum()  # what rounding took above 1
        counts = counts[:CELLS]
        before = self.on_grid.get(tile.first_probe)
        self.on_grid[tile.first_probe] = counts if before is None else before + counts

    def reached(self, size: int) -> None: ...

    def finish(self) -> None:
        probe, row, scores = np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0)
        if self.found:
            self._forget()
            _, probe, row = (np.concatenate(parts) for parts in zip(*self.found, strict=True))
            scores = self.pairs.exact(probe, row)
        self._keep(scores, probe, row)

    def _keep(self, scores: np.ndarray, probe: np.ndarray, row: np.ndarray) -> None:
        order = np.argsort(-scores)[: self.most]
        self.highest = scores[order]
        """The highest scores (M,), M at most `most`, float64, descending."""
        self.probe, self.row = probe[order], row[order]
        """Their pairs, (M,) each."""

    def pairs_from(self, threshold: float) -> tuple[np.ndarray, np.ndarray]:
        """Probes and rows, (F,) each, of those of the highest that score as high or higher."""
        count = np.searchsorted(-self.highest, -threshold, side="right")
        return self.probe[:count], self.row[:count]

    @property
    def at_or_above_grid(self) -> np.ndarray:
        """(2 GRID + 1,) int64: pairs whose float32 product is at least (k - 1/2) / GRID, k = -GRID .. GRID.

        Pairs that were left out are not among them. A product may differ from its score by a tile's margin.
        """
        counts = self._counts()
        counts[2] += counts[1]  # a product that rounding took below -1
        return np.cumsum(counts[:1:-1])[::-1][: 2 * GRID + 1]

    def _counts(self) -> np.ndarray:
        return sum(self.on_grid.values(), np.zeros(CELLS, dtype=np.int64))

    @property
    def count(self) -> int:
        """All pairs."""
        return int(self.at_or_above_grid[0])

    def join(self, processes: Processes) -> None:
        scores, probe, row = (
            everybodys(np.pad(own, (0, self.most - len(own)), constant_values=fill), processes)
            for own, fill in ((self.highest, -np.inf), (self.probe, -1), (self.row, -1))
        )
        there = scores > -np.inf
        self._keep(scores[there], probe[there], row[there])
        self.on_grid = {0: total(self._counts(), processes)}
