"""Tables of generated images: `python -m eval gan` measures the generators of a table's runs.

The numbers are the last checkpoint's. The best of all kept checkpoints, as the released code reports it,
stands beside them and decides nothing.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sphereface_plus import checkpoint
from sphereface_plus.config import ConfigError
from sphereface_plus.reproduce.evaluation import evaluation
from sphereface_plus.reproduce.results import Cell, compared, failed_of, paper_of, runs_of
from sphereface_plus.reproduce.runs import failure_of, stop_requests
from sphereface_plus.reproduce.spec import REAL, Budget, Job, Measure, Table, TableConfig
from sphereface_plus.training.folder import RunError, RunFolder
from sphereface_plus.words import counted

SCORE = "score", "score"
"""What the numbers are called in table.md and in table.csv."""
HIGHER_IS_BETTER: dict[Measure, bool] = {"class_score": True, "frechet_distance": False}


@dataclass(frozen=True)
class Measuring:
    """How the generators are measured."""

    real: str
    """Where the real images lie."""
    content: str
    """A hash over them: a report of others is not theirs."""
    extractors: tuple[Path, ...]
    samples: int
    device: str
    out: Path
    """Folder of the reports. Scores, and features of real images, are kept there, so that only what is new is
    measured."""


def check_measuring(table: Table, extractors: Sequence[Path], file: Path) -> None:
    """Raises ConfigError, before hours of training, where nothing could be measured afterwards."""
    if table.measures and not extractors:
        raise ConfigError(
            f"{file}: measures generated images by the features of a classifier: --extractor FILE, as of "
            "`python -m eval gan`"
        )
    if extractors and not table.measures:
        raise ConfigError(f"--extractor: {file} measures no generated images; leave it out")
    if table.measures:
        evaluation(str(file), ())


def scores_of(
    table: Table, budget: Budget, seeds: int, folders: dict[Job, Path], how: Measuring
) -> list[Cell]:
    """All cells: row by row, in each feature space each measure; real images before them.

    Raises RunError, with its last words, where the measurement ends with an error.
    """
    kept = {
        folder: _checkpoints(folder)
        for folder in dict.fromkeys(folders.values())
        if failure_of(folder) is None
    }
    if not kept:
        return []
    last = _report([files[-1] for files in kept.values()], how)  # with a page that shows these alone
    runs = dict(zip((files[-1] for files in kept.values()), last["runs"], strict=True))
    for *earlier, _ in kept.values():  # run by run: a table that is stopped has the reports that it made
        runs |= dict(zip(earlier, _report(earlier, how)["runs"], strict=True)) if earlier else {}
    names = {extractor["name"]: extractor["names"] for extractor in last["extractors"]}
    several = len(budget.columns or table.columns) > 1

    def value(file: Path, extractor: str, measure: Measure) -> float | None:
        found = runs[file]["scores"][extractor][measure]
        return None if found is None else found["value"]

    cells = []
    for row, name, _, of_row in runs_of(table, budget, seeds, folders):
        for extractor, called in names.items():
            for measure in table.measures:
                choose = max if HIGHER_IS_BETTER[measure] else min
                values = [[value(file, extractor, measure) for file in kept.get(run, [])] for run in of_row]
                known = [[each for each in of_run if each is not None] for of_run in values]
                is_score = measure == "class_score"
                cells.append(
                    Cell(
                        row,
                        f"{name}, {called[measure]}" if several else called[measure],
                        tuple(of_run[-1] if of_run else None for of_run in values),
                        paper=paper_of(table, row, name) if is_score else None,
                        failed=failed_of(of_row),
                        best=tuple(choose(of_run) if of_run else None for of_run in known),
                    )
                )
    return [*compared(cells, table), *_of_real(last, table)]


def says(config: TableConfig, how: Measuring) -> str:
    """How the numbers of runs with such settings were measured, below the table."""
    evaluations = -(-config.train.steps // config.train.checkpoint_every)
    return (
        f"Scores of {counted(how.samples, 'image')} of each generator, of the same noise, against all "
        "training images. The name in brackets is the feature space's; only what is called Inception score "
        "or FID is of Inception. The paper's numbers are inception scores. Best of evaluations: of "
        f"{counted(evaluations, 'checkpoint')} of a run, every {config.train.checkpoint_every:,} steps, "
        "which is what the released code reports; it decides nothing."
    )


def _of_real(report: dict[str, Any], table: Table) -> list[Cell]:
    """What real images get: one cell, without seeds, in each feature space."""
    numbers = dict.fromkeys(number for number in table.paper.get(REAL, {}).values())
    return [
        Cell(
            REAL,
            extractor["names"]["class_score"],
            (extractor["real_class_score"]["value"],),
            paper=next(iter(numbers), None),
        )
        for extractor in report["extractors"]
        if extractor["real_class_score"] is not None and "class_score" in table.measures
    ]


def _checkpoints(run: Path) -> list[Path]:
    """Those that a run has kept, step by step; its last one once."""
    last = RunFolder(run).last
    same = RunFolder(run).at_step(checkpoint.load(last)["step"])
    return [*(file for file in sorted(last.parent.glob("step_*.pt")) if file != same), last]


def _report(checkpoints: Sequence[Path], how: Measuring) -> dict[str, Any]:
    """What `python -m eval gan` measures of these, in the same order; measured already, its report."""
    files = [checkpoint.resolve(place) for place in (*checkpoints, *how.extractors)]
    digests = " ".join(checkpoint.sha256(file) for file in files)
    out = how.out / hashlib.sha256(f"{how.samples} {how.content} {digests}".encode()).hexdigest()[:8]
    if not (out / "report.json").is_file():
        options = [("--real", how.real), ("--samples", how.samples), ("--device", how.device), ("--out", out)]
        options += [("--features", how.out / "features")]
        options += [("--extractor", extractor) for extractor in how.extractors]
        words = ["--drop-features", *(str(word) for option in options for word in option)]
        _evaluate(["gan", *map(str, checkpoints), *words], out.with_suffix(".txt"))
    return json.loads((out / "report.json").read_text(encoding="utf-8"))


def _evaluate(words: Sequence[str], says: Path) -> None:
    """`python -m eval` with these words; its lines go into a file, and a request to stop goes to it."""
    command, environment = evaluation(words[0], words)
    says.parent.mkdir(exist_ok=True)
    with stop_requests() as stop, says.open("w", encoding="utf-8") as file:
        process = subprocess.Popen(
            command,
            env=environment,
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # a Ctrl-C reaches this process, which then stops it
        )
        try:
            while process.poll() is None and not stop:
                time.sleep(0.2)
        finally:
            if process.poll() is None:
                process.terminate()
                process.wait()
        if stop:
            raise KeyboardInterrupt(stop[0])
    if process.returncode:
        said = says.read_text(encoding="utf-8").strip().splitlines() or ["it said nothing"]
        raise RunError(
            f"the runs could not be measured, {says}: {said[-1].removeprefix('error: ')}; the runs are kept, "
            "and the same command goes on"
        )
