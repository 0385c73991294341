"""How cost grows with identities, batch, distractors and processes: a table and a picture of four panels.

    PYTHONPATH=. python tests/benchmarks/growth.py docs/results/growth [--most 300000] [--turns 5]

growth.csv holds the numbers, growth.png shows them; without --turns' measurements (`--only-plot`) the picture
is made of the table that is there. Times are the clock's, the median of the turns: nothing else should run.

- identities: forward and backward of A-Softmax alone, 256 embeddings of 512 numbers, dense and streamed, with
  and without Eq. (8).
- batch: the same with 30,000 identities.
- distractors: a search of 3,530 probes as MegaFace's challenge makes it, a thousand rows and more.
- processes: what a process receives in a step of SphereFace-20 with a million identities and 512 images in
  all, sharded and not: counted, by sphereface_plus/plan/prediction.py's formulas, not measured.
"""

from __future__ import annotations

import argparse
import csv
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np

from eval.search import scan
from sphereface_plus.environment import record
from sphereface_plus.files import write_csv, write_figure
from sphereface_plus.networks.sphereface import STAGE_UNITS, SphereFace
from sphereface_plus.plan.prediction import NetworkCosts, Plan, traffic
from sphereface_plus.plot_style import FAINT, new_figure, open_frame
from tests.benchmarks import bench_head, bench_search
from tests.benchmarks.figures import in_turn

FIELDS = ("panel", "line", "x", "median", "least", "most", "unit")
TITLES = {
    "identities": "A-Softmax, 256 x 512: seconds by identities",
    "batch": "A-Softmax, 30,000 identities: seconds by batch",
    "distractors": "MegaFace's search, 3,530 probes: seconds by distractors",
    "processes": "by formula: MB received in a step of 512 images, a million identities, by processes",
}
COLOURS = ("#1f6f8b", "#c2563c", "#5b8c3a", "#8a5fa8")
Row = tuple[str, str, int, float, float, float, str]


def ladder(first: int, most: int) -> list[int]:
    """1, 3, 10, 30, ... times the first."""
    return [size for power in range(7) for size in (first * 10**power, 3 * first * 10**power) if size <= most]


def of_head(panel: str, classes: int, size: int, turns: int) -> Iterator[Row]:
    made, (x, labels) = bench_head.losses_of("a_softmax", classes), bench_head.batch(classes, size)
    ways = {
        name + " + Eq. (8)" * energy: partial(bench_head.step, loss, x, labels, energy=energy)
        for energy in (False, True)
        for name, loss in made.items()
    }
    in_turn(ways, 1)
    for name, seconds in in_turn(ways, turns).items():
        yield row(panel, name, classes if panel == "identities" else size, seconds[:, 0], "s")


def of_search(rows: int, turns: int) -> Row:
    probes, people = bench_search.probes_of(512)
    put_in, places = bench_search.planted(probes, max(rows, len(probes)))
    with tempfile.TemporaryDirectory() as folder:
        gallery = bench_search.made(Path(folder) / "gallery.npy", max(rows, len(probes)), put_in, places)
        make = bench_search.tallies(probes, people, rows)[bench_search.MEGAFACE]
        ways = {"search": lambda: scan(probes, gallery[:rows], make())}
        in_turn(ways, 1)
        return row("distractors", "search", rows, in_turn(ways, turns)["search"][:, 0], "s")


def of_processes() -> Iterator[Row]:
    parameters = sum(it.numel() for it in SphereFace(STAGE_UNITS["sphereface20"]).parameters())
    costs = NetworkCosts(parameters=parameters, kept_bytes=0, flop=0)
    for processes in (2, 4, 8, 16, 32, 64):
        for head in ("streamed", "sharded"):
            plan = Plan(1_000_000, 512, processes, 512 // processes, head=head, energy="batch")
            received = sum(traffic(costs, plan).values()) / 1e6
            yield row("processes", head + " + Eq. (8)", processes, np.array([received]), "MB")


def row(panel: str, line: str, x: int, values: np.ndarray, unit: str) -> Row:
    return panel, line, x, float(np.median(values)), float(values.min()), float(values.max()), unit


def measured(most: int, turns: int) -> Iterator[Row]:
    for classes in ladder(1000, most):
        yield from of_head("identities", classes, 256, turns)
    for size in (32, 64, 128, 256, 512, 1024):
        yield from of_head("batch", 30_000, size, turns)
    for rows in ladder(1000, most):
        yield of_search(rows, turns)
    yield from of_processes()


def plot(rows: list[dict[str, str]], file: Path) -> None:
    figure = new_figure(11, 7.5)
    for axes, (panel, title) in zip(figure.subplots(2, 2).flat, TITLES.items(), strict=True):
        own = [each for each in rows if each["panel"] == panel]
        for line, colour in zip(dict.fromkeys(each["line"] for each in own), COLOURS, strict=False):
            points = [each for each in own if each["line"] == line]
            x, median, least, most = (
                np.array([float(each[name]) for each in points]) for name in ("x", "median", "least", "most")
            )
            axes.plot(x, median, "o-", color=colour, label=line, markersize=3)
            axes.fill_between(x, least, most, color=colour, alpha=0.15, linewidth=0)
        axes.set_xscale("log")
        sizes = sorted({int(each["x"]) for each in own})
        axes.set_xticks(sizes, [f"{size:,}" for size in sizes])
        axes.minorticks_off()
        axes.set_yscale("log")
        axes.set_title(title, fontsize=9)
        axes.grid(color=FAINT, linewidth=0.5)
        open_frame(axes)
        if len({each["line"] for each in own}) > 1:
            axes.legend(fontsize=8, frameon=False)
    write_figure(file, figure)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    arguments.add_argument("folder", type=Path)
    arguments.add_argument("--most", type=int, default=300_000)
    arguments.add_argument("--turns", type=int, default=5)
    arguments.add_argument("--only-plot", action="store_true")
    options = arguments.parse_args()
    table = options.folder / "growth.csv"
    if not options.only_plot:
        print(record(gpu=False))
        options.folder.mkdir(parents=True, exist_ok=True)
        rows = []
        for found in measured(options.most, options.turns):
            rows.append([f"{value:.4g}" if isinstance(value, float) else value for value in found])
            print(*rows[-1], flush=True)
        write_csv(table, FIELDS, rows)
    with table.open(newline="", encoding="utf-8") as given:
        plot(list(csv.DictReader(given)), options.folder / "growth.png")


if __name__ == "__main__":
    main()
