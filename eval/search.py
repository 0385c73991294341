"""Exact search of a large gallery: scores are made tile by tile, counted, and forgotten.

Shapes: P probes, N rows of the gallery, D numbers in an embedding, Q pairs of rows.

The score of two embeddings is the cosine of their float32 unit rows, its products (exact in float64) summed
in float64, always in the same order (`scores_of_pairs`). It depends on the two rows alone, so that equal
images have equal scores wherever they lie. Tiles hold float32 products instead, whose last bits depend on
the tile; they are off by `margin` at most, and what is closer than that is scored again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, Protocol

import numpy as np

from .errors import SearchError
from .ranks import together

if TYPE_CHECKING:
    from sphereface_plus.processes import Processes

CHUNK_ROWS, SLAB_ROWS = (
    4096,
    448,
)  # a tile of 7 MiB: large enough for the product, small enough for the caches
NUMBERS_AT_ONCE = 2**16  # of float64, in cache
UNIT_ROUNDOFF = 2.0**-24  # of float32


class Rows(Protocol):
    """A gallery: an array (N, D), also a memory-mapped one, or what gives slices of rows like one."""

    @property
    def shape(self) -> tuple[int, ...]: ...

    def __getitem__(self, rows: slice, /) -> np.ndarray: ...


@dataclass(frozen=True)
class Reordered:
    """The rows of another gallery in an order: a subset, or one of several sets of distractors."""

    rows: np.ndarray
    """(N, D)."""
    order: np.ndarray
    """(M,) int."""

    @property
    def shape(self) -> tuple[int, int]:
        return len(self.order), self.rows.shape[1]

    def __getitem__(self, rows: slice, /) -> np.ndarray:
        return self.rows[self.order[rows]]


@dataclass(frozen=True)
class Joined:
    """The rows of one gallery and then those of another."""

    first: Rows
    second: Rows

    @property
    def shape(self) -> tuple[int, ...]:
        return self.first.shape[0] + self.second.shape[0], *self.second.shape[1:]

    def __getitem__(self, rows: slice, /) -> np.ndarray:
        border = self.first.shape[0]
        before = self.first[slice(min(rows.start, border), min(rows.stop, border))]
        after = self.second[slice(max(rows.start - border, 0), max(rows.stop - border, 0))]
        return after if not len(before) else before if not len(after) else np.concatenate([before, after])


@dataclass(frozen=True)
class Tile:
    """The scores of some probes with some rows of the gallery."""

    first_probe: int
    first_row: int
    probes: np.ndarray
    """(p, D) unit rows, as `rows`."""
    rows: np.ndarray
    """(n, D)."""
    scores: np.ndarray
    """(p, n) float32, off by `margin` at most; -inf where a pair is left out."""
    margin: float

    def exact(self, probes: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """The scores (Q,) of pairs by their places in the tile, (Q,) each."""
        return _row_products(self.probes, probes, self.rows, rows)


class Tally(Protocol):
    """What takes numbers out of tiles. Tiles of the same probes are given one after the other, others at
    once from several threads."""

    @property
    def sizes(self) -> Sequence[int]:
        """After so many rows of the gallery `reached` is called; no tile crosses such a border."""
        ...

    def start(self, num_probes: int) -> None: ...

    def take(self, tile: Tile) -> None: ...

    def reached(self, size: int) -> None: ...

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
    Raises SearchError, where an embedding is not finite or has no direction, or dimensions differ.
    """
    num_rows = gallery.shape[0]
    if len(gallery.shape) != 2 or probes.ndim != 2 or probes.shape[1] != gallery.shape[1]:
        raise SearchError(
            f"probes {probes.shape} and gallery {tuple(gallery.shape)} must be rows of one dimension; embed "
            "both with one model and the same flip"
        )
    if not len(probes) or not num_rows:
        raise SearchError(f"there is nothing to search: {len(probes):,} probes in a gallery of {num_rows:,}")
    arguments = unit_rows(probes, "probe"), gallery, tallies, probe_people, gallery_people
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
        tally.start(len(units))
    slabs = _stretches(len(units), threads * -(-len(units) // (threads * SLAB_ROWS)))
    sizes = sorted({size for tally in tallies for size in tally.sizes})
    rank, world_size = (0, 1) if processes is None else (processes.rank, processes.world_size)
    # Several threads each multiply a tile of their own, so that the tallies' work is shared as well.
    with threadpool_limits(1, "blas"), ThreadPoolExecutor(threads) as pool:
        for number, chunk in enumerate(_chunks(num_rows, sizes)):
            if number % world_size == rank:
                rows = np.empty((chunk.stop - chunk.start, gallery.shape[1]), dtype=np.float32)
                fill = partial(
                    _fill_with_units, rows, gallery[chunk], what="gallery embedding", first=chunk.start
                )
                list(pool.map(fill, _stretches(len(rows), threads)))
                own = None
                if of_probes is not None and gallery_people is not None:
                    own = of_probes.pairs_with(gallery_people[chunk])

                def show(slab: slice, rows: np.ndarray = rows, chunk: slice = chunk, own=own) -> None:
                    tile = _tile(units, slab, rows, chunk.start, own)
                    for tally in tallies:
                        tally.take(tile)

                list(pool.map(show, slabs))
            if chunk.stop in sizes:
                for tally in tallies:
                    tally.reached(chunk.stop)
            if progress is not None:
                progress(chunk.stop, num_rows)
    if processes is not None and processes.world_size > 1:
        for tally in tallies:
            tally.join(processes)


def scores_of_pairs(
    left: np.ndarray, left_rows: np.ndarray, right: np.ndarray, right_rows: np.ndarray
) -> np.ndarray:
    """The scores (Q,) float64 of the pairs left[left_rows], right[right_rows]; left (A, D), right (B, D)."""
    return _row_products(unit_rows(left, "probe"), left_rows, unit_rows(right, "mate"), right_rows)


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
    _fill_with_units(units, embeddings, slice(0, len(units)), what, first)
    return units


def _fill_with_units(
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


def _stretches(count: int, number: int) -> list[slice]:
    """0 .. count cut into so many stretches, or one each where there are fewer."""
    ends = [count * part // number for part in range(number + 1)]
    return [slice(start, stop) for start, stop in pairwise(ends) if start < stop]


def _chunks(num_rows: int, borders: Sequence[int]) -> Iterator[slice]:
    """Stretches of at most CHUNK_ROWS rows that end at each border, too."""
    ends = sorted({*range(CHUNK_ROWS, num_rows, CHUNK_ROWS), num_rows, *(b for b in borders if b < num_rows)})
    for start, stop in pairwise([0, *ends]):
        yield slice(start, stop)


def _tile(
    units: np.ndarray, slab: slice, rows: np.ndarray, first_row: int, own: tuple[np.ndarray, ...] | None
) -> Tile:
    probes = units[slab]
    scores = probes @ rows.T
    if own is not None:
        inside = (own[0] >= slab.start) & (own[0] < slab.stop)
        scores[own[0][inside] - slab.start, own[1][inside]] = -np.inf
    # Of rounding errors that add up like random ones, a product's exceeds l sqrt(D) u |x| |y| with a chance
    # below 2 exp(-l^2 / 2), 3e-14 for l = 8 (Higham and Mary, SIAM J. Sci. Comput. 2019); it never exceeds
    # about D u. The last term is for lengths that are nearly 1, and for scores kept in float32.
    dimensions = units.shape[1]
    margin = UNIT_ROUNDOFF * (1.01 * min(dimensions, 8 * dimensions**0.5) + 4)
    return Tile(slab.start, first_row, probes, rows, scores, margin)


def _row_products(
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
