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

GRID = 2**14  # cells to a score of 1
LOWEST_CELL = -63 * GRID // 64  # of a score of -63 / 64; what is below it lies in this cell, too
EDGES = (np.append(-GRID, np.arange(LOWEST_CELL + 1, GRID + 1)) - 0.5) / GRID
"""(E,): the scores at which cells begin, ascending; the first is below all scores."""
# float32 numbers from 512 to 1024 are 1 / GRID apart, and the last 16 bits of 768 are 0: of 768 + score they
# are the score's cell, here counted from the lowest; negative below -63 / 64.
GRID_AT = np.float32(768 - LOWEST_CELL / GRID)
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

        cells = np.empty(tile.scores.shape, dtype=np.int16)
        shifted = np.empty((LINES_AT_ONCE, tile.scores.shape[1]), dtype=np.float32)
        for start in range(0, len(cells), LINES_AT_ONCE):
            part = cells[start : start + LINES_AT_ONCE]
            # Rounds to the grid. Of what is left out, -inf, the last bits are 0.
            np.add(tile.scores[start : start + LINES_AT_ONCE], GRID_AT, out=shifted[: len(part)])
            np.copyto(part, shifted[: len(part)].view(np.int32), casting="unsafe")  # the last 16 bits
        if cells.min() < 0:
            np.maximum(cells, 0, out=cells)
        counts = torch.bincount(torch.from_numpy(cells.ravel()), minlength=len(EDGES)).numpy()
        counts[len(EDGES) - 1] += counts[len(EDGES) :].sum()  # what rounding took above 1
        counts = counts[: len(EDGES)]
        counts[0] -= tile.left_out
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
    def at_or_above_edges(self) -> np.ndarray:
        """(E,) int64: pairs whose float32 product is at or above each of EDGES, so that the first is of all.

        Pairs that were left out are not among them. A product may differ from its score by a tile's margin.
        """
        return np.cumsum(self._counts()[::-1])[::-1]

    def _counts(self) -> np.ndarray:
        return sum(self.on_grid.values(), np.zeros(len(EDGES), dtype=np.int64))

    @property
    def count(self) -> int:
        """All pairs."""
        return int(self.at_or_above_edges[0])

    def join(self, processes: Processes) -> None:
        scores, probe, row = (
            everybodys(np.pad(own, (0, self.most - len(own)), constant_values=fill), processes)
            for own, fill in ((self.highest, -np.inf), (self.probe, -1), (self.row, -1))
        )
        there = scores > -np.inf
        self._keep(scores[there], probe[there], row[there])
        self.on_grid = {0: total(self._counts(), processes)}
