"""The search of a large gallery against the bare matrix product and faiss-cpu's IndexFlatIP.

    PYTHONPATH=. python tests/benchmarks/bench_search.py [--rows 100000] [--dimensions 512 1024]

3,530 images of 80 people, each searched with each other one of its person as mate (153,000 searches), among
`rows` distractors in a memory-mapped file. People are planted, and 24 images are another person's, as many as
the published list of noise names among the challenge's probes: such mates lie among the distractors, which
makes them dear to count. "ranks, one in 20" is a set with seven times as many. A repetition times, one after
the other, what MegaFace takes at once (eval/megaface), each tally alone, and faiss with k = 1 and k = 100;
`--only` names some of these, beside MegaFace's. Before and after each, numpy's product of the same chunks is
timed on 100,000 rows at most, all threads, nothing done with it: rates are shares of the mean of those
two. faiss gets unit rows in memory, ours normalises them as it goes. Rates are by the clock and, for a CPU
that others use as well, by processor time (faiss' and BLAS' threads also spend it waiting for each other).
Memory is the growth of the process's own pages (not those of mapped files) during the first search, before
anything else has run.
Each probe has one row of cosine .8 put in at a known place, which must be its best one. Mates of more than
.3, which no random row of 512 numbers reaches, must have those rows above them, from their places on, that
are more alike.
"""

from __future__ import annotations

import argparse
import importlib.util
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from threadpoolctl import threadpool_limits

from eval.impostors import Impostors
from eval.megaface.challenge import MOST_IMPOSTORS
from eval.scores import scores_of_pairs, unit_rows
from eval.search import CHUNK_ROWS, scan
from eval.search_statistics import leave_one_out
from eval.tallies import Best, MateCounts
from tests.benchmarks import figures
from tests.benchmarks.figures import keep, spread

PROBES, PEOPLE = 3530, 80
MISLABELLED = 24 / PROBES
MEGAFACE = "all of MegaFace's"
BARE_ROWS = 100_000


def probes_of(dimensions: int, mislabelled: float = MISLABELLED) -> tuple[np.ndarray, np.ndarray]:
    """Embeddings (P, D) whose cosine is .5 within a person, and their people (P,)."""
    generator = np.random.default_rng(0)
    people = np.arange(PROBES) % PEOPLE
    shown = np.where(generator.random(PROBES) < mislabelled, generator.integers(0, PEOPLE, PROBES), people)
    directions = generator.normal(size=(PEOPLE, dimensions))
    return (directions[shown] + generator.normal(size=(PROBES, dimensions))).astype(np.float32), people


def tallies(probes: np.ndarray, people: np.ndarray, rows: int) -> dict[str, Callable[[], list]]:
    probe, mate = leave_one_out(people)
    score = scores_of_pairs(probes, probe, probes, mate)
    sizes = [size for size in (10, 100, 1000, 10_000, 100_000) if size < rows] + [rows]
    most = max(1000, MOST_IMPOSTORS * rows // 1_000_000)
    return {
        MEGAFACE: lambda: [MateCounts(probe, score, sizes), Best(3), Impostors(most)],
        "ranks of all mates": lambda: [MateCounts(probe, score, sizes)],
        "the best row": lambda: [Best()],
        "the 100 best rows": lambda: [Best(100)],
        "impostors' scores": lambda: [Impostors(most)],
    }


def planted(probes: np.ndarray, rows: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows (P, D) at a cosine of .8 from the probes, and their places (P,) in the gallery."""
    generator = np.random.default_rng(2)
    units = unit_rows(probes).astype(np.float64)
    other = generator.normal(size=units.shape)
    other -= (other * units).sum(axis=1)[:, None] * units
    other /= np.linalg.norm(other, axis=1)[:, None]
    return (0.8 * units + 0.6 * other).astype(np.float32), generator.permutation(rows)[:PROBES]


def check(shown: list, probes: np.ndarray, people: np.ndarray, put_in: np.ndarray, places: np.ndarray) -> str:
    """How much of what was put in is found."""
    ranks, best, _ = shown
    probe, mate = leave_one_out(people)
    score = scores_of_pairs(probes, probe, probes, mate)
    put_in_score = unit_rows(probes).astype(np.float64) @ unit_rows(put_in).astype(np.float64).T
    right, asked, counts = 0, np.flatnonzero(score > 0.3), ranks.counts
    for pair in asked:
        above = places[put_in_score[probe[pair]] >= score[pair]]
        right += counts[pair].tolist() == [np.sum(above < size) for size in ranks.sizes]
    return (
        f"put in and found: {np.sum(best.rows[:, 0] == places):,} of {PROBES:,} best rows, and the counts of "
        f"{right:,} of {len(asked):,} searches at {len(ranks.sizes)} sizes"
    )


def product(units: np.ndarray, gallery: np.ndarray) -> None:
    into = np.empty((len(units), CHUNK_ROWS), dtype=np.float32)  # new memory each time takes a tenth more
    for start in range(0, len(gallery), CHUNK_ROWS):
        rows = gallery[start : start + CHUNK_ROWS]
        np.matmul(units, rows.T, out=into[:, : len(rows)])


def own_memory() -> float:
    """MiB that belong to the process alone; not those of mapped files."""
    fields = dict(line.split(":") for line in Path("/proc/self/status").read_text().splitlines())
    return int(fields["RssAnon"].split()[0]) / 1024


def made(file: Path, rows: int, put_in: np.ndarray, places: np.ndarray) -> np.ndarray:
    """The gallery, memory-mapped."""
    shape = rows, put_in.shape[1]
    stored = np.lib.format.open_memmap(file, mode="w+", dtype=np.float32, shape=shape)
    generator = np.random.default_rng(1)
    for start in range(0, rows, CHUNK_ROWS):
        stop = min(start + CHUNK_ROWS, rows)
        stored[start:stop] = generator.standard_normal((stop - start, shape[1]), dtype=np.float32)
    stored[places] = put_in
    stored.flush()
    return np.load(file, mmap_mode="r")


def faiss_ways(units: np.ndarray, gallery: np.ndarray) -> dict[str, Callable[[], object]]:
    if importlib.util.find_spec("faiss") is None:
        print("faiss-cpu is not there, so nothing is compared with it; `make bench` installs it")
        return {}
    import faiss  # pyright: ignore[reportMissingImports]

    faiss.omp_set_num_threads(torch.get_num_threads())
    index = faiss.IndexFlatIP(gallery.shape[1])
    for start in range(0, len(gallery), CHUNK_ROWS):
        index.add(unit_rows(gallery[start : start + CHUNK_ROWS]))
    return {f"faiss, k = {k}": lambda k=k: index.search(units, k) for k in (1, 100)}


def timed(way: Callable[[], object]) -> np.ndarray:
    """Seconds by the clock and of processor time, of as many threads of BLAS as torch has."""
    with threadpool_limits(torch.get_num_threads(), "blas"):
        return figures.timed(way)


def measure(rows: int, dimensions: int, repetitions: int, only: list[str] | None, file: Path) -> None:
    probes, people = probes_of(dimensions)
    put_in, places = planted(probes, rows)
    gallery, units, made_of = (
        made(file, rows, put_in, places),
        unit_rows(probes),
        tallies(probes, people, rows),
    )
    few = gallery[:BARE_ROWS]
    scan(probes, gallery[:10], made_of[MEGAFACE]())  # loads what is loaded lazily
    before, most = own_memory(), 0.0

    def look(done: int, total: int) -> None:
        nonlocal most
        most = max(most, own_memory())

    bare = [timed(lambda: product(units, few))]
    seconds: dict[str, list[np.ndarray]] = {}
    rates: dict[str, list[np.ndarray]] = {}

    def record(name: str, way: Callable[[], object]) -> None:
        seconds.setdefault(name, []).append(timed(way))
        bare.append(timed(lambda: product(units, few)))
        of_all = (bare[-2] + bare[-1]) / 2 * rows / len(few)
        rates.setdefault(name, []).append(100 * of_all / seconds[name][-1])

    first = made_of[MEGAFACE]()
    record(MEGAFACE, lambda: scan(probes, gallery, first, progress=look))
    look(rows, rows)
    print(check(first, probes, people, put_in, places))
    ways: dict[str, Callable[[], object]] = {
        name: lambda make=make: scan(probes, gallery, make()) for name, make in made_of.items()
    }
    noisy, _ = probes_of(dimensions, 1 / 20)
    ranks_of_noisy = tallies(noisy, people, rows)["ranks of all mates"]
    ways["ranks, one in 20"] = lambda: scan(noisy, gallery, ranks_of_noisy())
    ways |= faiss_ways(units, gallery)
    for number in range(repetitions):
        for name, way in ways.items():
            if number > 0 if name == MEGAFACE else only is None or name in only:
                record(name, way)

    threads = torch.get_num_threads()
    print(
        f"{PROBES:,} probes x {rows:,} rows x {dimensions}, {threads} threads, {repetitions} repetitions; "
        f"all of MegaFace's take {most - before:.0f} MiB beside the mapped gallery\n"
        f"{'':22}{'seconds':>9}{'processor':>11}   rate in % of the bare product's: by clock, by processor"
    )
    for name, times in seconds.items():
        clock, processor = np.median(times, axis=0)
        shares = ", ".join(spread(column, 0) for column in np.array(rates[name]).T)
        of_bare = np.array(rates[name])[:, 0]
        keep("search", name, "% of the bare product's rate", of_bare, rows=rows, dimensions=dimensions)
        print(f"{name:22}{clock:9.2f}{processor:11.2f}   {shares}")
    gflops = 2e-9 * PROBES * len(few) * dimensions / np.array(bare)
    print(f"bare product, GFLOP/s: {', '.join(spread(column, 0) for column in gflops.T)}")


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    arguments.add_argument("--rows", type=int, default=100_000)
    arguments.add_argument("--dimensions", type=int, nargs="+", default=[512, 1024])
    arguments.add_argument("--repetitions", type=int, default=3)
    arguments.add_argument("--only", nargs="+")
    options = arguments.parse_args()
    for dimensions in options.dimensions:
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "gallery.npy"
            measure(options.rows, dimensions, options.repetitions, options.only, file)


if __name__ == "__main__":
    main()
