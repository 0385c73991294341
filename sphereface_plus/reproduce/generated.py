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

import numpy as np

from sphereface_plus import checkpoint
from sphereface_plus.config import ConfigError, GanConfig
from sphereface_plus.reproduce.courses import Course
from sphereface_plus.reproduce.evaluation import evaluation
from sphereface_plus.reproduce.results import Cell, compared, failed_of, paper_of, runs_of
from sphereface_plus.reproduce.runs import failure_of
from sphereface_plus.reproduce.spec import REAL, Budget, Job, Measure, Table, TableConfig
from sphereface_plus.side_by_side import stop_requests
from sphereface_plus.training.folder import RunError, RunFolder
from sphereface_plus.words import counted

SCORE = "score", "score"
"""What the numbers are called in table.md and in table.csv."""
HIGHER_IS_BETTER: dict[Measure, bool] = {
    "class_score": True,
    "frechet_distance": False,
    "precision": True,
    "recall": True,
}


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


@dataclass(frozen=True)
class Measured:
    """What came out of a measurement."""

    cells: list[Cell]
    """Row by row, in each feature space each measure, of the last checkpoints; then real images."""
    courses: list[Course]
    """The scores of all kept checkpoints."""
    says: str
    """How it was measured, below the table."""


def measured(
    table: Table, budget: Budget, seeds: int, folders: dict[Job, Path], config: TableConfig, how: Measuring
) -> Measured:
    """Measures what has finished.

    config: of one of the runs.
    Raises RunError, with its last words, where the measurement ends with an error.
    """
    kept = {
        folder: _checkpoints(folder)
        for folder in dict.fromkeys(folders.values())
        if failure_of(folder) is None
    }
    if not kept:
        return Measured([], [], "")
    last = _report([files[-1] for files in kept.values()], how)  # with a page that shows these alone
    runs = dict(zip((files[-1] for files in kept.values()), last["runs"], strict=True))
    for *earlier, _ in kept.values():  # run by run: a table that is stopped has the reports that it made
        runs |= dict(zip(earlier, _report(earlier, how)["runs"], strict=True)) if earlier else {}
    several = len(budget.columns or table.columns) > 1
    cells, courses = [], []
    for row, name, _, of_row in runs_of(table, budget, seeds, folders):
        for extractor in last["extractors"]:
            for measure in table.measures:
                called = _called(extractor, measure)
                column = f"{name}, {called}" if several else called
                values = [
                    [_value(runs[file]["scores"][extractor["name"]], measure) for file in kept.get(run, [])]
                    for run in of_row
                ]
                known = [[each for each in of_run if each is not None] for of_run in values]
                choose = max if HIGHER_IS_BETTER[measure] else min
                cells.append(
                    Cell(
                        row,
                        column,
                        tuple(of_run[-1] if of_run else None for of_run in values),
                        paper=paper_of(table, row, name) if measure == "class_score" else None,
                        failed=failed_of(of_row),
                        best=tuple(choose(of_run) if of_run else None for of_run in known),
                        about=_about(extractor, last, how.samples),
                    )
                )
                steps = [[runs[file]["step"] for file in kept.get(run, [])] for run in of_row]
                if all(steps) and known == values and all(of_run == steps[0] for of_run in steps):
                    courses.append(Course(column, row, steps[0], np.array(values)))
    return Measured([*compared(cells, table), *_of_real(last, table)], courses, _says(config, how, last))


def _value(scores: dict[str, Any], measure: Measure) -> float | None:
    """Of a generator in one feature space; shares in %."""
    if measure in ("precision", "recall"):
        found = scores["precision_recall"]
        return None if found is None else 100 * found[measure]
    return None if scores[measure] is None else scores[measure]["value"]


def _called(extractor: dict[str, Any], measure: Measure) -> str:
    name = extractor["names"][measure]
    return name.replace(measure, f"{measure} %", 1) if measure in ("precision", "recall") else name


def _about(extractor: dict[str, Any], report: dict[str, Any], images: int) -> dict[str, str]:
    """What table.csv says of each number's feature space."""
    return {
        "images": str(images),
        "reference_images": str(report["reference"]["images"]),
        "extractor_sha256": extractor["sha256"],
        "resize": extractor["resize"],
    }


def _says(config: TableConfig, how: Measuring, report: dict[str, Any]) -> str:
    """How the numbers of runs with such settings were measured."""
    evaluations = -(-config.train.steps // config.train.checkpoint_every)
    assert isinstance(config, GanConfig)  # no other is measured here
    # The same for every row, where steps are not: those of a row with n_dis 5 are five times as many.
    updates = config.train.checkpoint_every // config.n_dis
    reference = report["reference"]
    spaces = (
        f"{it['name']}: {it['kind']}, {counted(it['dimensions'], 'feature')}, sha256 {it['sha256'][:12]}, "
        f"images resized: {it['resize']}"
        for it in report["extractors"]
    )
    every = dict.fromkeys(
        f"{words}: {it['name']}"
        for run in report["runs"]
        for it in report["extractors"]
        for words in run["scores"][it["name"]].get("marked", {}).values()
    )
    of_each = sorted(
        {
            part["images"]
            for run in report["runs"]
            for scores in run["scores"].values()
            if (part := scores["precision_recall"]) is not None
        }
    )
    sentences = [
        f"Scores of {counted(how.samples, 'image')} of each generator, of the same noise, against "
        f"{reference['images']:,} reference images, of the {reference['of']:,} of the {reference['split']} "
        "split.",
        f"The name in brackets is the feature space's ({'; '.join(spaces)}); only what is called Inception "
        "score or FID is of Inception. The paper's numbers are inception scores.",
        *(f"Precision and recall of {counted(number, 'image')} of each set." for number in of_each),
        f"Best of evaluations: of {counted(evaluations, 'checkpoint')} of a run, every "
        f"{counted(updates, 'update')} of the generator, which is what the released code reports; it decides "
        "nothing.",
        *(f"Marked: {words}." for words in every),
    ]
    return " ".join(sentences)


def _of_real(report: dict[str, Any], table: Table) -> list[Cell]:
    """What real images get: one cell, without seeds, in each feature space."""
    numbers = dict.fromkeys(number for number in table.paper.get(REAL, {}).values())
    return [
        Cell(
            REAL,
            extractor["names"]["class_score"],
            (extractor["real_class_score"]["value"],),
            paper=next(iter(numbers), None),
            about=_about(extractor, report, report["reference"]["images"]),
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
