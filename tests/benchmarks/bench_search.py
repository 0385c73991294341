"""The search of a large gallery against the bare matrix product and faiss-cpu's IndexFlatIP.

    python tests/benchmarks/bench_search.py [--rows 100000] [--dimensions 512 1024]

3,530 images of 80 people, each searched with each other one of its person as mate (153,000 searches), among
`rows` distractors in a memory-mapped file. People are planted, and one image in 20 is another person's, as in
real sets, so that some mates lie among the distractors. A repetition times, one after the other: numpy's
product of the same chunks with all threads, nothing done with it; each tally of eval/tallies.py; faiss with
k = 1 and k = 100, where faiss-cpu is installed. faiss gets unit rows in memory, ours normalises them as it
goes. Rates are by the clock and, for a machine that others use as well, by processor time (faiss' and BLAS'
threads also spend it waiting for each other). Memory is the growth of the process's own pages (not those of
mapped files), with all four tallies.
Each probe has one row of cosine .8 put in at a known place, which must be its best one. Mates of more than
.3, which no random row reaches, must have those rows above them, from their places on, that are more alike.
"""

from __future__ import annotations

import argparse
import importlib.util
import multiprocessing
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from threadpoolctl import threadpool_limits

from eval.search import CHUNK_ROWS, scan, scores_of_pairs, unit_rows
from eval.search_statistics import leave_one_out
from eval.tallies import Best, Impostors, MateCounts

PROBES, PEOPLE, REPETITIONS = 3530, 80, 3
MEBIBYTE = 2**20


def probes_of(dimensions: int) -> tuple[np.ndarray, np.ndarray]:
    """Embeddings (P, D) whose cosine is .5 within a person, and their people (P,)."""
    generator = np.random.default_rng(0)
    people = np.arange(PROBES) % PEOPLE
    shown = np.where(generator.random(PROBES) < 0.05, generator.integers(0, PEOPLE, PROBES), people)
    directions = generator.normal(size=(PEOPLE, dimensions))
    return (directions[shown] + generator.normal(size=(PROBES, dimensions))).astype(np.float32), people


def tallies(probes: np.ndarray, people: np.ndarray, rows: int) -> dict[str, Callable[[], list]]:
    probe, mate = leave_one_out(people)
    score = scores_of_pairs(probes, probe, probes, mate)
    sizes = [size for size in (10, 100, 1000, 10_000, 100_000) if size < rows] + [rows]
    return {
        "ranks of all mates": lambda: [MateCounts(probe, score, sizes)],
        "the best row": lambda: [Best()],
        "the 100 best rows": lambda: [Best(100)],
        "impostors' scores": lambda: [Impostors(max(10_000, PROBES * rows // 100_000))],
    }


def planted(probes: np.ndarray, rows: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows (P, D) at a cosine of .8 from the probes, and their places (P,) in the gallery."""
    generator = np.random.default_rng(2)
    units = unit_rows(probes).astype(np.float64)
    other = generator.normal(size=units.shape)
    other -= (other * units).sum(axis=1)[:, None] * units
    other /= np.linalg.norm(other, axis=1)[:, None]
    return (0.8 * units + 0.6 * other).astype(np.float32), generator.permutation(rows)[:PROBES]


def check(probes: np.ndarray, people: np.ndarray, gallery: np.ndarray, places: np.ndarray) -> str:
    """How much of what was put in is found."""
    made = tallies(probes, people, len(gallery))
    (ranks,), (best,) = made["ranks of all mates"](), made["the best row"]()
    scan(probes, gallery, [ranks, best])
    probe, mate = leave_one_out(people)
    score = scores_of_pairs(probes, probe, probes, mate)
    put_in = unit_rows(probes).astype(np.float64) @ unit_rows(gallery[places]).astype(np.float64).T
    right, asked, counts = 0, np.flatnonzero(score > 0.3), ranks.counts
    for pair in asked:
        above = places[put_in[probe[pair]] >= score[pair]]
        right += counts[pair].tolist() == [np.sum(above < size) for size in ranks.sizes]
    return (
        f"put in and found: {np.sum(best.rows[:, 0] == places):,} of {PROBES:,} best rows, and the counts of "
        f"{right:,} of {len(asked):,} searches at {len(ranks.sizes)} sizes"
    )


def product(units: np.ndarray, gallery: np.ndarray) -> None:
    for start in range(0, len(gallery), CHUNK_ROWS):
        units @ gallery[start : start + CHUNK_ROWS].T


def own_memory(name: str) -> float:
    """MiB at the peak that belong to the process alone; not those of mapped files."""
    fields = dict(line.split(":") for line in Path("/proc/self/status").read_text().splitlines())
    return int(fields[name].split()[0]) / 1024


def extra_memory(file: str, dimensions: int, rows: int) -> float:
    probes, people = probes_of(dimensions)
    shown = [tally for make in tallies(probes, people, rows).values() for tally in make()]
    gallery = np.load(file, mmap_mode="r")
    scan(probes, gallery[:10], shown)  # loads what is loaded lazily
    before, most = own_memory("RssAnon"), 0.0

    def look(done: int, total: int) -> None:
        nonlocal most
        most = max(most, own_memory("RssAnon"))

    scan(probes, gallery, shown, progress=look)
    return most - before


def measure(rows: int, dimensions: int, file: Path) -> None:
    probes, people = probes_of(dimensions)
    units, threads = unit_rows(probes), torch.get_num_threads()
    stored = np.lib.format.open_memmap(file, mode="w+", dtype=np.float32, shape=(rows, dimensions))
    generator = np.random.default_rng(1)
    for start in range(0, rows, CHUNK_ROWS):
        stop = min(start + CHUNK_ROWS, rows)
        stored[start:stop] = generator.standard_normal((stop - start, dimensions), dtype=np.float32)
    rows_put_in, places = planted(probes, rows)
    stored[places] = rows_put_in
    stored.flush()
    gallery = np.load(file, mmap_mode="r")
    print(check(probes, people, gallery, places))
    ways: dict[str, Callable[[], object]] = {"bare product": lambda: product(units, gallery)}
    for name, make in tallies(probes, people, rows).items():
        ways[name] = lambda make=make: scan(probes, gallery, make())
    if importlib.util.find_spec("faiss") is None:
        print("faiss-cpu is not there, so nothing is compared with it; `make bench` installs it")
    else:
        import faiss  # pyright: ignore[reportMissingImports]

        faiss.omp_set_num_threads(threads)
        index = faiss.IndexFlatIP(dimensions)
        index.add(unit_rows(gallery))
        ways["faiss, k = 1"] = lambda: index.search(units, 1)
        ways["faiss, k = 100"] = lambda: index.search(units, 100)
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    processor: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(REPETITIONS):
        for name, way in ways.items():
            with threadpool_limits(threads, "blas"):
                start, processor_start = time.perf_counter(), time.process_time()
                way()
                seconds[name].append(time.perf_counter() - start)
                processor[name].append(time.process_time() - processor_start)
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        memory = pool.apply(extra_memory, (str(file), dimensions, rows))

    flops = 2 * PROBES * rows * dimensions
    print(
        f"{PROBES:,} probes x {rows:,} rows x {dimensions}, {threads} threads, {REPETITIONS} repetitions; "
        f"all four tallies at once take {memory:.0f} MiB beside the mapped gallery"
    )
    heads = "".join(f"{head:>9}" for head in ("median", "min", "max", "GFLOP/s"))
    print(f"{'':20}{heads}   rate in % of the bare product's: by clock, by processor time")
    for name, times in seconds.items():
        median = statistics.median(times)
        print(
            f"{name:20}{median:8.2f}s{min(times):8.2f}s{max(times):8.2f}s{flops / median / 1e9:9.0f}   "
            f"{of_bare(seconds, name)}, {of_bare(processor, name)}"
        )


def of_bare(seconds: dict[str, list[float]], name: str) -> str:
    """`80 (70 .. 90)`: the rate as a share of the bare product's, repetition by repetition."""
    shares = [100 * bare / own for bare, own in zip(seconds["bare product"], seconds[name], strict=True)]
    return f"{statistics.median(shares):.0f} ({min(shares):.0f} .. {max(shares):.0f})"


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    arguments.add_argument("--rows", type=int, default=100_000)
    arguments.add_argument("--dimensions", type=int, nargs="+", default=[512, 1024])
    options = arguments.parse_args()
    for dimensions in options.dimensions:
        with tempfile.TemporaryDirectory() as folder:
            measure(options.rows, dimensions, Path(folder) / "gallery.npy")


if __name__ == "__main__":
    main()
