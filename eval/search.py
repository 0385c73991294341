"""Exact search of a large gallery: scores are made tile by tile, counted, and forgotten.

Shapes: P probes, N rows of the gallery, D numbers in an embedding, Q pairs of rows.

Tiles hold float32 products, whose last bits depend on the tile; what is too close to decide by them is scored
again, as scores.py says.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import pairwise
from threading import Lock
from typing import TYPE_CHECKING, Protocol

import numpy as np

from .errors import SearchError
from .ranks import together
from .rows import Rows
from .scores import SAME_IMAGE, Pairs, fill_with_units, row_products, unit_rows, without_direction

if TYPE_CHECKING:
    from sphereface_plus.processes import Processes

# Of a tile: large enough for the product, small enough for the caches; not 4096, as NumPy takes three times
# as long to compare lines of a power of two.
CHUNK_ROWS, SLAB_ROWS = 4080, 896
COLLAPSE_MATTERS_FROM = 10**7  # pairs
LOOKED_AT = 256  # probes, and rows of the gallery
FOLD = 8  # scores of which the highest is looked at first
LOWEST = np.float32(-4)  # below every score, and above -inf, which is a pair that is left out


@dataclass(frozen=True)
class Tile:
    """The scores of some probes with some rows of the gallery."""

    first_probe: int
    first_row: int
    probes: np.ndarray
    """(p, D) unit rows, as `rows`."""
    rows: np.ndarray
    """(n, D); the last of a gallery are filled up to a multiple of FOLD."""
    scores: np.ndarray
    """(p, n) float32, off by margin_of(D) at most; -inf where a pair is left out, or no row is."""
    left_out: int
    """Of the scores; those are -inf."""

    @cached_property
    def highest(self) -> np.ndarray:
        """(p, n / FOLD): the highest of the scores in columns c, c + n / FOLD, c + 2 n / FOLD, ..."""
        return self.scores.reshape(len(self.scores), FOLD, -1).max(axis=1)

    @cached_property
    def highest_of_probe(self) -> np.ndarray:
        """(p,)."""
        return self.highest.max(axis=1)

    def at_or_above(self, floor: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Places of the scores at or above each probe's floor (p,), ascending by probe, as (Q,) and (Q,)."""
        concerned = np.flatnonzero(self.highest_of_probe >= floor)
        # np.nonzero of two dimensions takes several times as long
        at = np.flatnonzero(self.highest[concerned] >= floor[concerned, None])
        place, column = np.divmod(at, self.highest.shape[1])
        place = concerned[place]
        columns = column[:, None] + np.arange(0, self.scores.shape[1], self.highest.shape[1])
        which, of_fold = np.nonzero(self.scores[place[:, None], columns] >= floor[place, None])
        return place[which], columns[which, of_fold]

    def exact(self, probes: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """The scores (Q,) of pairs by their places in the tile, (Q,) each."""
        return row_products(self.probes, probes, self.rows, rows)


class Tally(Protocol):
    """What takes numbers out of tiles. Tiles of the same probes are given one after the other, others at
    once from several threads."""

    @property
    def sizes(self) -> Sequence[int]:
        """After so many rows of the gallery `reached` is called; no tile crosses such a border."""
        ...

    def start(self, pairs: Pairs) -> None: ...

    def take(self, tile: Tile) -> None: ...

    def reached(self, size: int) -> None: ...

    def finish(self) -> None:
        """After the last tile."""
        ...

    def join(self, processes: Processes) -> None:
        """Adds what the other processes saw."""
        ...


def scan(
    probes: np.ndarray,
    gallery: Rows,
    tallies: Sequence[Tally],
    *,
    probe_people: np.ndarray | None = None,
    gallery_people: np.ndarray | None = None,
    processes: Processes | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Shows every pair of a probe (P, D) and a row of the gallery (N, D) to the tallies.

    probe_people (P,), gallery_people (N,): numbers of people, where given; pairs of one person are left out.
    processes: each takes every so many-th chunk of the gallery; all end with the numbers of the whole. Where
    they are not given, those of the command (ranks.py) are asked, if it has any.
    progress: called with rows done and all rows. Threads are torch's number of threads.
    Raises SearchError, where an embedding is not finite or has no direction, dimensions differ, or a large
    search is of embeddings that are nearly all the same.
    """
    num_rows = gallery.shape[0]
    if len(gallery.shape) != 2 or probes.ndim != 2 or probes.shape[1] != gallery.shape[1]:
        raise SearchError(
            f"probes {probes.shape} and gallery {tuple(gallery.shape)} must be rows of one dimension; embed "
            "both with one model and the same flip"
        )
    if not len(probes) or not num_rows:
        raise SearchError(f"there is nothing to search: {len(probes):,} probes in a gallery of {num_rows:,}")
    units = unit_rows(probes, "probe")
    if len(units) * num_rows > COLLAPSE_MATTERS_FROM:
        _refuse_collapsed(units, gallery)
    arguments = units, gallery, tallies, probe_people, gallery_people
    if processes is None:
        together(_scan, *arguments, progress=progress)
    else:
        _scan(*arguments, processes=processes, progress=progress)


def _scan(
    units: np.ndarray,
    gallery: Rows,
    tallies: Sequence[Tally],
    probe_people: np.ndarray | None,
    gallery_people: np.ndarray | None,
    *,
    processes: Processes | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """The share of this process. units (P, D): unit rows."""
    import torch
    from threadpoolctl import threadpool_limits

    num_rows, threads = gallery.shape[0], torch.get_num_threads()
    of_probes = None if probe_people is None or gallery_people is None else _Grouped(probe_people)
    for tally in tallies:
        tally.start(Pairs(units, gallery))
    slabs = _stretches(len(units), threads * -(-len(units) // (threads * SLAB_ROWS)))
    turns = [Lock() for _ in slabs]
    sizes = sorted({size for tally in tallies for size in tally.sizes})
    rank, world_size = (0, 1) if processes is None else (processes.rank, processes.world_size)
    running: deque[tuple[int, list[Future]]] = deque()

    def wait_for_all_but(chunks: int) -> None:
        while len(running) > chunks:
            stop, jobs = running.popleft()
            for job in jobs:
                job.result()
            if progress is not None:
                progress(stop, num_rows)

    # Several threads each multiply a tile of their own, so that the tallies' work is shared as well.
    with threadpool_limits(1, "blas"), _one_torch_thread(), ThreadPoolExecutor(threads) as pool:
        for number, chunk in enumerate(_chunks(num_rows, sizes)):
            jobs = []
            if number % world_size == rank:
                own = None
                if of_probes is not None and gallery_people is not None:
                    own = of_probes.pairs_with(gallery_people[chunk])
                read = gallery[chunk]
                rows = np.zeros((-(-len(read) // FOLD) * FOLD, read.shape[1]), dtype=np.float32)
                fill = partial(fill_with_units, rows, read, what="gallery embedding", first=chunk.start)
                filled = [pool.submit(fill, part) for part in _stretches(len(read), threads)]
                show = partial(_show, units, rows, chunk, own, tallies, filled)
                jobs = [pool.submit(show, *slab) for slab in zip(slabs, turns, strict=True)]
            running.append((chunk.stop, jobs))
            # No thread waits for the others between two chunks, and no more than two are in memory.
            wait_for_all_but(0 if chunk.stop in sizes else 1)
            if chunk.stop in sizes:
                for tally in tallies:
                    tally.reached(chunk.stop)
        wait_for_all_but(0)
    for tally in tallies:
        tally.finish()
    if processes is not None and processes.world_size > 1:
        for tally in tallies:
            tally.join(processes)


def _refuse_collapsed(units: np.ndarray, gallery: Rows) -> None:
    """Where nearly all scores are equal to float32's rounding, each would have to be made again."""
    rows = np.concatenate([gallery[slice(row, row + 1)] for row in _evenly(gallery.shape[0]).tolist()])
    rows = np.delete(rows, without_direction(rows), axis=0)  # the search refuses them by their numbers
    scores = units[_evenly(len(units))] @ unit_rows(rows).T
    same = float(np.mean(scores >= SAME_IMAGE)) if scores.size else 0.0
    if same > 0.5:
        raise SearchError(
            f"the embeddings are nearly all the same: of {scores.size:,} pairs of a probe and a row of the "
            f"gallery, {same:.0%} have a cosine above {SAME_IMAGE}. The model has collapsed; look at its "
            "training, or whether its input is what it was trained on"
        )


def _evenly(count: int) -> np.ndarray:
    """At most LOOKED_AT of the numbers 0 .. count - 1."""
    return np.unique(np.linspace(0, count - 1, LOOKED_AT).astype(np.int64))


@contextmanager
def _one_torch_thread() -> Iterator[None]:
    """In threads that start inside, too."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _stretches(count: int, number: int) -> list[slice]:
    """0 .. count cut into so many stretches, or one each where there are fewer."""
    ends = [count * part // number for part in range(number + 1)]
    return [slice(start, stop) for start, stop in pairwise(ends) if start < stop]


def _chunks(num_rows: int, borders: Sequence[int]) -> Iterator[slice]:
    """Stretches of at most CHUNK_ROWS rows that end at each border, too."""
    ends = sorted(
        {*range(CHUNK_ROWS, num_rows, CHUNK_ROWS), num_rows, *(b for b in borders if 0 < b < num_rows)}
    )
    for start, stop in pairwise([0, *ends]):
        yield slice(start, stop)


def _show(
    units: np.ndarray,
    rows: np.ndarray,
    chunk: slice,
    own: tuple[np.ndarray, ...] | None,
    tallies: Sequence[Tally],
    filled: Sequence[Future],
    slab: slice,
    turn: Lock,
) -> None:
    """One tile to all tallies, once its rows are filled; turn: of its probes."""
    for part in filled:  # they were begun before
        part.result()
    tile = _tile(units, slab, rows, chunk, own)
    with turn:
        for tally in tallies:
            tally.take(tile)


def _tile(
    units: np.ndarray, slab: slice, rows: np.ndarray, chunk: slice, own: tuple[np.ndarray, ...] | None
) -> Tile:
    probes = units[slab]
    scores = probes @ rows.T
    count = chunk.stop - chunk.start
    scores[:, count:] = -np.inf
    left_out = len(probes) * (len(rows) - count)
    if own is not None:
        inside = (own[0] >= slab.start) & (own[0] < slab.stop)
        scores[own[0][inside] - slab.start, own[1][inside]] = -np.inf
        left_out += int(np.sum(inside))
    return Tile(slab.start, chunk.start, probes, rows, scores, left_out)


class _Grouped:
    """Which probes are of which person."""

    def __init__(self, people: np.ndarray) -> None:
        self.order = np.argsort(people, kind="stable")
        self.people = people[self.order]

    def pairs_with(self, people: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Probes (Q,) and places (Q,) in people (n,) that are one person."""
        first, end = (np.searchsorted(self.people, people, side=side) for side in ("left", "right"))
        count = end - first
        places = np.repeat(np.arange(len(people)), count)
        within = np.arange(len(places)) - np.repeat(np.cumsum(count) - count, count)
        return self.order[first[places] + within], places
