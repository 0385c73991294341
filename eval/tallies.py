"""What a search counts while it runs: mates' ranks, the best rows. (The impostors' scores: impostors.py.)

Shapes: P probes, N rows of the gallery, Q pairs of a probe and its mate, S sizes. Scores are those of
scores.py. A tie is lost: a distractor of exactly the mate's score counts as above it.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from .scores import Pairs
from .search import LOWEST, Tile

if TYPE_CHECKING:
    from sphereface_plus.processes import Processes


SORTED_FROM = 4  # mates of one probe: sorting its scores costs less than as many comparisons
COMPARED_AT_ONCE, SORTED_AT_ONCE = 32, 512  # pairs, whose lines of a tile are in cache
STEP_AT = np.float32(48)  # float32 numbers from 32 to 64 are 2**-18 apart


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

    def start(self, pairs: Pairs) -> None:
        self.begin = np.searchsorted(self.probe, np.arange(len(pairs.units) + 1))
        # (Q,) each: a product below the one, or above the other, is decided.
        self.low = np.nextafter((self.score - pairs.margin).astype(np.float32), np.float32(-np.inf))
        self.high = np.nextafter((self.score + pairs.margin).astype(np.float32), np.float32(np.inf))

    def take(self, tile: Tile) -> None:
        pairs = slice(*self.begin[[tile.first_probe, tile.first_probe + len(tile.probes)]])
        place, score = self.probe[pairs] - tile.first_probe, self.score[pairs]
        low, high = self.low[pairs], self.high[pairs]
        concerned = np.flatnonzero(tile.highest_of_probe[place] >= low)
        many = np.bincount(place[concerned], minlength=len(tile.probes)) >= SORTED_FROM
        by_comparing, by_sorting = concerned[~many[place[concerned]]], concerned[many[place[concerned]]]
        above, close = np.zeros(len(score), dtype=np.int64), []
        ways = (_compared, by_comparing, COMPARED_AT_ONCE), (_sorted, by_sorting, SORTED_AT_ONCE)
        for count, pairs_of, at_once in ways:
            for start in range(0, len(pairs_of), at_once):
                pair = pairs_of[start : start + at_once]
                above[pair], which, row = count(tile.scores, place[pair], low[pair], high[pair])
                close.append((pair[which], row))
        if close:
            pair, row = (np.concatenate(parts) for parts in zip(*close, strict=True))
            below = tile.exact(place[pair], row) < score[pair]
            above -= np.bincount(pair[below], minlength=len(above))
        self.so_far[pairs] += above

    def reached(self, size: int) -> None:
        for column, of_column in enumerate(self.sizes):
            if of_column == size:
                self.at_size[:, column] = self.so_far

    def finish(self) -> None: ...

    def join(self, processes: Processes) -> None:
        self.at_size = total(self.at_size, processes)


def _compared(
    scores: np.ndarray, place: np.ndarray, low: np.ndarray, high: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of pairs (Q,) by the places of their probes in scores (p, n), and bounds: how many scores are at low or
    higher, (Q,); and those up to high, too close to decide, as pairs (F,) and rows (F,)."""
    lines = scores[place]
    above = lines >= low[:, None]
    counts = np.array([np.count_nonzero(line) for line in above])
    above ^= lines > high[:, None]
    return counts, *np.divmod(np.flatnonzero(above), scores.shape[1])


def _sorted(
    scores: np.ndarray, place: np.ndarray, low: np.ndarray, high: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The same, for pairs in the order of their probes, by sorting each probe's scores with their rows."""
    bits = (scores.shape[1] - 1).bit_length()

    def keys(values: np.ndarray) -> np.ndarray:
        """Steps of 2**-18, which keep the order, with room for a row in the last bits."""
        steps = np.maximum(values, np.float32(-1.5))  # -inf is left out
        steps += STEP_AT
        steps = steps.view(np.int32)
        steps -= STEP_AT.view(np.int32)
        steps <<= bits
        return steps

    lines = np.unique(place)
    ascending = keys(scores[lines])
    ascending += np.arange(scores.shape[1], dtype=np.int32)
    ascending.sort(axis=1)
    lowest, highest = (keys(np.maximum(bound, np.float32(-1.25))) for bound in (low, high))
    highest += np.int32(2**bits - 1)
    begin = np.searchsorted(place, [*lines, len(scores)])
    first, end = np.empty((2, len(place)), dtype=np.int64)
    for line, (start, stop) in enumerate(pairwise(begin)):
        first[start:stop] = ascending[line].searchsorted(lowest[start:stop])
        end[start:stop] = ascending[line].searchsorted(highest[start:stop], side="right")
    close = end - first
    which = np.repeat(np.arange(len(place)), close)
    within = first[which] + np.arange(len(which)) - np.repeat(np.cumsum(close) - close, close)
    row = ascending[np.searchsorted(lines, place[which]), within] & np.int32(2**bits - 1)
    return scores.shape[1] - first, which, row


class Best:
    """The rows of the gallery that score highest with each probe; of equal ones, the first.

    While it runs, each probe has a list of what may be among its best by the float32 products, twice as long
    as asked for; where a list is full, what is not among its best any more goes out.
    """

    sizes = ()

    def __init__(self, count: int = 1) -> None:
        self.count = count

    def start(self, pairs: Pairs) -> None:
        self.pairs = pairs
        shape = len(pairs.units), 2 * self.count + 16
        self.products = np.full(shape, -np.inf, dtype=np.float32)
        self.candidates = np.full(shape, -1, dtype=np.int64)
        self.filled = np.zeros(len(pairs.units), dtype=np.int64)
        self.floor = np.full(len(pairs.units), LOWEST)
        """(P,): a row whose product is below it is not among the best."""

    def take(self, tile: Tile) -> None:
        floor = self.floor[tile.first_probe : tile.first_probe + len(tile.probes)]  # a view
        if self.count <= tile.highest.shape[1]:  # the first tile has many
            new = np.flatnonzero(floor == LOWEST)
            if len(new):
                own = np.partition(tile.highest[new], -self.count, axis=1)[:, -self.count]
                floor[new] = np.maximum(two_margins_below(own, self.pairs.margin), LOWEST)
        place, row = tile.at_or_above(floor)
        self._add(tile.first_probe + place, tile.scores[place, row], tile.first_row + row)

    def _add(self, probe: np.ndarray, product: np.ndarray, row: np.ndarray) -> None:
        """Puts what was found (F,), ascending by probe, behind what each probe has."""
        width = self.products.shape[1]
        while len(probe):
            touched, first, found = np.unique(probe, return_index=True, return_counts=True)
            column = self.filled[probe] + np.arange(len(probe)) - np.repeat(first, found)
            fits = column < width
            self.products[probe[fits], column[fits]] = product[fits]
            self.candidates[probe[fits], column[fits]] = row[fits]
            self.filled[touched] = np.minimum(self.filled[touched] + found, width)
            self._forget(touched[self.filled[touched] == width])
            left = ~fits & (product >= self.floor[probe])
            probe, product, row = probe[left], product[left], row[left]

    def _forget(self, probes: np.ndarray) -> None:
        """Takes what is not among the best out of the lists of probes (p,)."""
        if not len(probes):
            return
        there = np.arange(self.products.shape[1]) < self.filled[probes, None]
        products = np.where(there, self.products[probes], np.float32(-np.inf))
        own = np.partition(products, -self.count, axis=1)[:, -self.count]
        self.floor[probes] = np.maximum(two_margins_below(own, self.pairs.margin), self.floor[probes])
        kept = products >= self.floor[probes, None]
        # What is kept to the front, in its order.
        order = np.argsort(~kept, axis=1, kind="stable")
        self.products[probes] = np.take_along_axis(products, order, axis=1)
        self.candidates[probes] = np.take_along_axis(self.candidates[probes], order, axis=1)
        self.filled[probes] = kept.sum(axis=1)
        # Where nearly all are that close, as copies of one image are, the scores decide.
        close = probes[self.filled[probes] > 1.5 * self.count + 8]
        rows, scores = self._best_of(close)
        self.candidates[close, : self.count], self.products[close, : self.count] = rows, scores
        self.filled[close] = self.count

    def _best_of(self, probes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Rows and scores (p, count) of the best candidates of probes (p,); -1, -inf where they are fewer."""
        line, column = np.nonzero(np.arange(self.products.shape[1]) < self.filled[probes, None])
        row = self.candidates[probes[line], column]
        return _best(line, row, self.pairs.exact(probes[line], row), (len(probes), self.count))

    def reached(self, size: int) -> None: ...

    def finish(self) -> None:
        self._forget(np.flatnonzero(self.filled > self.count))
        rows, scores = self._best_of(np.arange(len(self.products)))
        self.rows = rows
        """(P, count); -1 where the gallery has fewer rows."""
        self.scores = scores
        """(P, count) float64, descending; -inf likewise."""

    def join(self, processes: Processes) -> None:
        scores, rows = (everybodys(own, processes) for own in (self.scores, self.rows))
        line = np.repeat(np.tile(np.arange(len(self.scores)), processes.world_size), self.count)
        there = rows.ravel() >= 0
        self.rows, self.scores = _best(
            line[there], rows.ravel()[there], scores.ravel()[there], self.scores.shape
        )


def two_margins_below(products: np.ndarray, margin: float) -> np.ndarray:
    """What is below is less than what has these products: each is off by a margin at most."""
    return np.nextafter(products - np.float32(2 * margin), np.float32(-np.inf))


def _best(
    line: np.ndarray, row: np.ndarray, score: np.ndarray, shape: tuple[int, ...]
) -> tuple[np.ndarray, np.ndarray]:
    """Rows and scores (P, count) of what scores highest in each line, and of equal ones has the first row."""
    order = np.lexsort((row, -score, line))
    line, row, score = line[order], row[order], score[order]
    column = np.arange(len(line)) - np.searchsorted(line, line)
    fits = column < shape[1]
    rows, scores = np.full(shape, -1, dtype=np.int64), np.full(shape, -np.inf)
    rows[line[fits], column[fits]], scores[line[fits], column[fits]] = row[fits], score[fits]
    return rows, scores


def total(counts: np.ndarray, processes: Processes) -> np.ndarray:
    import torch

    return processes.total(torch.from_numpy(counts).to(processes.device)).cpu().numpy()


def everybodys(own: np.ndarray, processes: Processes) -> np.ndarray:
    """(n, ...) of each process: (world_size * n, ...)."""
    import torch

    from sphereface_plus.processes import gathered

    return gathered(torch.from_numpy(own).to(processes.device)).cpu().numpy()
