"""What a search counts while it runs: mates' ranks, the best rows, the impostors' scores.

Shapes: P probes, N rows of the gallery, Q pairs of a probe and its mate, S sizes. Scores are those of
`search.scores_of_pairs`. A tie is lost: a distractor of exactly the mate's score counts as above it.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from threading import Lock
from typing import TYPE_CHECKING

import numpy as np

from .search import Tile

if TYPE_CHECKING:
    from sphereface_plus.processes import Processes


GRID = 2**16
"""Cells of a score on either side of 0, each as wide as float32's error for embeddings of 256 dimensions."""


SORTED_FROM = 8  # mates of one probe: sorting its scores costs less than as many comparisons
FINEST = 2.0**40  # of a score that is sorted as a whole number


class MateCounts:
    """How many rows of the gallery score as high as a mate or higher, among the first `sizes` rows."""

    def __init__(self, probe: np.ndarray, score: np.ndarray, sizes: Sequence[int]) -> None:
        """probe (Q,): the pair's row in the probes; score (Q,) float64: its score."""
        self.sizes = sorted(sizes)
        self.order = np.lexsort((score, probe))
        self.probe, self.score = np.asarray(probe)[self.order], np.asarray(score, np.float64)[self.order]
        self.so_far = np.zeros(len(self.probe), dtype=np.int64)
        self.at_size = np.zeros((len(self.probe), len(self.sizes)), dtype=np.int64)

    @property
    def counts(self) -> np.ndarray:
        """(Q, S) int64, in the order in which the pairs were given; the mate itself is not counted, unless
        it lies in the gallery."""
        counts = np.empty_like(self.at_size)
        counts[self.order] = self.at_size
        return counts

    def start(self, num_probes: int) -> None:
        self.begin = np.searchsorted(self.probe, np.arange(num_probes + 1))

    def take(self, tile: Tile) -> None:
        pairs = slice(*self.begin[[tile.first_probe, tile.first_probe + len(tile.probes)]])
        place, score = self.probe[pairs] - tile.first_probe, self.score[pairs]
        low = np.nextafter((score - tile.margin).astype(np.float32), np.float32(-np.inf))
        high = np.nextafter((score + tile.margin).astype(np.float32), np.float32(np.inf))
        concerned = np.flatnonzero(tile.scores.max(axis=1)[place] >= low)
        many = np.bincount(place[concerned], minlength=len(tile.probes)) >= SORTED_FROM
        by_comparing, by_sorting = concerned[~many[place[concerned]]], concerned[many[place[concerned]]]
        above = np.zeros(len(score), dtype=np.int64)
        # Of each, how many are above or too close to decide; which rows are too close, (F,) and (F,).
        for count, pairs_of, at_once in ((_compared, by_comparing, 32), (_sorted, by_sorting, 1024)):
            for start in range(0, len(pairs_of), at_once):
                pair = pairs_of[start : start + at_once]
                above[pair], which, row = count(tile.scores, place[pair], low[pair], high[pair])
                below = tile.exact(place[pair[which]], row) < score[pair[which]]
                above[pair] -= np.bincount(which, below, len(pair)).astype(np.int64)
        self.so_far[pairs] += above

    def reached(self, size: int) -> None:
        for column, of_column in enumerate(self.sizes):
            if of_column == size:
                self.at_size[:, column] = self.so_far

    def join(self, processes: Processes) -> None:
        self.at_size = _total(self.at_size, processes)


def _compared(
    scores: np.ndarray, place: np.ndarray, low: np.ndarray, high: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of pairs (Q,) by the places of their probes in scores (p, n), and bounds: how many scores are at low or
    higher, (Q,); and those up to high, as pairs (F,) and rows (F,)."""
    lines = scores[place]
    above = lines >= low[:, None]
    counts = np.array([np.count_nonzero(line) for line in above])
    above &= lines <= high[:, None]
    return counts, *np.divmod(np.flatnonzero(above), scores.shape[1])


def _sorted(
    scores: np.ndarray, place: np.ndarray, low: np.ndarray, high: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The same, for pairs in the order of their probes, by sorting each probe's scores with their rows."""
    width = scores.shape[1]

    def keys(values: np.ndarray) -> np.ndarray:
        return (np.maximum(values, np.float32(-4)) * FINEST).astype(np.int64) * width  # -inf is left out

    lines = np.unique(place)
    ascending = np.sort(keys(scores[lines]) + np.arange(width), axis=1)
    lowest, highest = keys(low), keys(high) + width - 1
    begin = np.searchsorted(place, [*lines, len(scores)])
    first, end = np.empty((2, len(place)), dtype=np.int64)
    for line, (start, stop) in enumerate(pairwise(begin)):
        first[start:stop] = ascending[line].searchsorted(lowest[start:stop])
        end[start:stop] = ascending[line].searchsorted(highest[start:stop], side="right")
    close = end - first
    which = np.repeat(np.arange(len(place)), close)
    within = first[which] + np.arange(len(which)) - np.repeat(np.cumsum(close) - close, close)
    return width - first, which, ascending[np.searchsorted(lines, place[which]), within] % width


class Best:
    """The rows of the gallery that score highest with each probe; of equal ones, the first."""

    sizes = ()

    def __init__(self, count: int = 1) -> None:
        self.count = count

    def start(self, num_probes: int) -> None:
        self.scores = np.full((num_probes, self.count), -np.inf)
        """(P, count) float64, descending; -inf where the gallery has fewer rows."""
        self.rows = np.full((num_probes, self.count), -1, dtype=np.int64)
        """(P, count); -1 likewise."""

    def take(self, tile: Tile) -> None:
        probes = slice(tile.first_probe, tile.first_probe + len(tile.probes))
        # In float32, as the scores are; -inf, what is left out, is below any floor.
        floor = np.maximum(self.scores[probes, -1] - tile.margin, -4).astype(np.float32)
        floor = np.nextafter(floor, np.float32(-np.inf))
        concerned = np.flatnonzero(tile.scores.max(axis=1) >= floor)
        if not len(concerned):
            return
        scores, floor = tile.scores[concerned], floor[concerned]
        above = scores >= floor[:, None]
        if np.count_nonzero(above) > 2 * self.count * len(scores) and self.count < scores.shape[1]:
            # Far below the best of this tile alone nothing need be scored again.
            best = np.partition(scores, -self.count, axis=1)[:, -self.count] - np.float32(2 * tile.margin)
            above = scores >= np.maximum(floor, best)[:, None]
        place, row = np.divmod(np.flatnonzero(above), scores.shape[1])
        if not len(place):
            return
        self._add(
            tile.first_probe + concerned[place], tile.exact(concerned[place], row), tile.first_row + row
        )

    def _add(self, probe: np.ndarray, score: np.ndarray, row: np.ndarray) -> None:
        """Puts what was found (F,), ascending by probe and row, behind what each probe has, and sorts it."""
        touched, first, found = np.unique(probe, return_index=True, return_counts=True)
        column = np.arange(len(probe)) - np.repeat(first, found)
        line = np.repeat(np.arange(len(touched)), found)
        scores = np.full((len(touched), self.count + found.max()), -np.inf)
        rows = np.full(scores.shape, -1)
        scores[:, : self.count], rows[:, : self.count] = self.scores[touched], self.rows[touched]
        scores[line, self.count + column], rows[line, self.count + column] = score, row
        # Stable: of equal scores those come first that came first, as the gallery is shown in order.
        order = np.argsort(-scores, axis=1, kind="stable")[:, : self.count]
        self.scores[touched] = np.take_along_axis(scores, order, axis=1)
        self.rows[touched] = np.take_along_axis(rows, order, axis=1)

    def reached(self, size: int) -> None: ...

    def join(self, processes: Processes) -> None:
        scores, rows = (_everybodys(own, processes) for own in (self.scores, self.rows))
        probe = np.repeat(np.tile(np.arange(len(self.scores)), processes.world_size), self.count)
        order = np.lexsort((rows.ravel(), probe))
        order = order[rows.ravel()[order] >= 0]
        self.scores, self.rows = np.full_like(self.scores, -np.inf), np.full_like(self.rows, -1)
        self._add(probe[order], scores.ravel()[order], rows.ravel()[order])


class Impostors:
    """The scores of all pairs: the `most` highest of them with their pairs, and counts of all on a grid."""

    sizes = ()

    def __init__(self, most: int) -> None:
        self.most = most
        self.floor = -np.inf
        """Below it no score is among the highest."""
        self.kept: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
        self.on_grid: dict[int, np.ndarray] = {}

    def start(self, num_probes: int) -> None:
        self.lock = Lock()  # not before: a tally that has not begun can be sent to other processes

    def take(self, tile: Tile) -> None:
        self._count(tile)
        floor = self.floor - tile.margin
        if tile.scores.max() < floor:
            return
        flat = tile.scores.ravel()
        place = np.flatnonzero((flat >= floor) & (flat > -np.inf))
        if len(place) > 2 * self.most:  # of these the tile's own highest will do
            own = np.partition(flat[place], -self.most)[-self.most] - 2 * tile.margin
            place = place[flat[place] >= own]
        probe, row = np.divmod(place, tile.scores.shape[1])
        scores = tile.exact(probe, row)
        with self.lock:
            high = scores >= self.floor
            probe, row = probe[high] + tile.first_probe, row[high] + tile.first_row
            self.kept.append((scores[high], probe.astype(np.int32), row.astype(np.int32)))
            if sum(len(scores) for scores, _, _ in self.kept) > 2 * self.most:
                self._forget()

    def _count(self, tile: Tile) -> None:
        cell = tile.scores * np.float32(GRID)
        cell += np.float32(GRID + 2)  # rounds to 1/64 of a cell, or less
        np.maximum(cell, 0, out=cell)  # what is left out: in cell 0
        counts = np.bincount(cell.astype(np.intp).ravel(), minlength=2 * GRID + 4)
        before = self.on_grid.get(tile.first_probe)
        self.on_grid[tile.first_probe] = counts if before is None else before + counts

    def _forget(self) -> None:
        none = (np.empty(0), np.empty(0, np.int32), np.empty(0, np.int32))
        scores, probe, row = map(np.concatenate, zip(none, *self.kept, strict=True))
        if len(scores) > self.most:
            highest = np.argpartition(scores, -self.most)[-self.most :]
            scores, probe, row = scores[highest], probe[highest], row[highest]
            self.floor = float(scores.min())
        self.kept = [(scores, probe, row)]

    def reached(self, size: int) -> None: ...

    @property
    def highest(self) -> np.ndarray:
        """The highest scores (M,), M at most `most`, float64, descending."""
        self._forget()
        return -np.sort(-self.kept[0][0])

    def pairs_from(self, threshold: float) -> tuple[np.ndarray, np.ndarray]:
        """Probes and rows, (F,) each, of those of the highest that score as high or higher; in no order."""
        self._forget()
        scores, probe, row = self.kept[0]
        return probe[scores >= threshold], row[scores >= threshold]

    @property
    def at_or_above_grid(self) -> np.ndarray:
        """(2 GRID + 1,) int64: pairs whose float32 product is at least k / GRID, for k = -GRID .. GRID.

        Pairs that were left out are not among them. A product may differ from its score by a tile's margin.
        """
        counts = sum(self.on_grid.values(), np.zeros(2 * GRID + 4, dtype=np.int64))
        upwards = np.cumsum(counts[:0:-1])[::-1]  # cell 1 is what rounding took below -1
        return np.append(upwards[0], upwards[2 : 2 * GRID + 2])

    @property
    def count(self) -> int:
        """All pairs."""
        return int(self.at_or_above_grid[0])

    def join(self, processes: Processes) -> None:
        self._forget()
        scores, *pairs = (
            _everybodys(np.pad(own, (0, self.most - len(own)), constant_values=fill), processes)
            for own, fill in zip(self.kept[0], (-np.inf, -1, -1), strict=True)
        )
        there = scores > -np.inf
        self.kept = [(scores[there], pairs[0][there], pairs[1][there])]
        counts = sum(self.on_grid.values(), np.zeros(2 * GRID + 4, dtype=np.int64))
        self.on_grid = {0: _total(counts, processes)}


def _total(counts: np.ndarray, processes: Processes) -> np.ndarray:
    import torch

    return processes.total(torch.from_numpy(counts).to(processes.device)).cpu().numpy()


def _everybodys(own: np.ndarray, processes: Processes) -> np.ndarray:
    """(n, ...) of each process: (world_size * n, ...)."""
    import torch

    from sphereface_plus.processes import gathered, reaching_others

    with reaching_others():
        return gathered(torch.from_numpy(own).to(processes.device)).cpu().numpy()
