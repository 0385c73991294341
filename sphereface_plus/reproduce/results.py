"""A table of numbers over seeds beside the paper's, as CSV and Markdown.

The number is the last step's: nothing is chosen by it. The paper's are of single runs, and some are the best
checkpoint's on the test set.
"""

from __future__ import annotations

import math
import statistics
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from sphereface_plus.config import ConfigError
from sphereface_plus.files import write_csv, write_text
from sphereface_plus.reproduce import ACCURACY
from sphereface_plus.reproduce.runs import failure_of, has_diverged, record_of
from sphereface_plus.reproduce.spec import Budget, Column, Job, Table, TableConfig, settings_of
from sphereface_plus.training.logs import read_log
from sphereface_plus.words import counted

# Two-sided 95 % quantiles of Student's t with 1, 2, ... degrees of freedom.
STUDENT = (
    *(12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145),
    *(2.131, 2.120, 2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048),
)
NO_NUMBER = "N/C"
"""The paper's words for a run that did not converge."""
UNFINISHED = "unfinished"
"""Runs that ended otherwise before their last step: killed, or the disk was full."""


@dataclass(frozen=True)
class Cell:
    """The numbers of one method under one setting, by seed; None for a run that failed."""

    row: str
    column: str
    numbers: tuple[float | None, ...]
    """Test errors are in %."""
    differences: tuple[float | None, ...] = ()
    """From the baseline's of the same seed, None where one of the two failed; empty for the baseline."""
    paper: float | Literal["N/C"] | None = None
    failed: tuple[tuple[str, Path], ...] = ()
    """Of each run that failed, N/C or unfinished, and its folder."""
    best: tuple[float | None, ...] = ()
    """Of all evaluations of a run, by seed; empty where only the last step's is known."""
    about: Mapping[str, str] = field(default_factory=dict)
    """How the numbers were measured, by column of table.csv."""

    @property
    def known(self) -> list[float]:
        return [number for number in self.numbers if number is not None]


TEST_ERROR = "test error %", "test_error_percent"
"""What the numbers are called in table.md and in table.csv."""


def errors_of(folder: Path, of_class: int | None) -> list[float]:
    """Test errors in %, in the order of the steps, the last one after the last step. Raises ConfigError where
    the class was not tested by itself."""
    name = ACCURACY if of_class is None else f"{ACCURACY}_of_{of_class}"
    accuracies = [line[name] for line in read_log(folder / "log.jsonl") if name in line]
    if not accuracies:  # the runs stay as they are, and are not made again
        raise ConfigError(
            f"of_class: class {of_class} was not tested in {folder}; tests tell classes apart in sets of at "
            "most 10, 0 the first; put the table right and call again"
        )
    return [100 * (1 - accuracy) for accuracy in accuracies]


def cells_of(table: Table, budget: Budget, seeds: int, folders: dict[Job, Path]) -> list[Cell]:
    """All cells of image classifications, row by row; the first row is the baseline."""
    cells = []
    for row, name, column, runs in runs_of(table, budget, seeds, folders):
        tested = [None if failure_of(run) is not None else errors_of(run, column.of_class) for run in runs]
        cells.append(
            Cell(
                row,
                name,
                tuple(errors[-1] if errors else None for errors in tested),
                paper=paper_of(table, row, name),
                failed=failed_of(runs),
                best=tuple(min(errors) if errors else None for errors in tested),
            )
        )
    return compared(cells, table)


def runs_of(
    table: Table, budget: Budget, seeds: int, folders: dict[Job, Path]
) -> Iterator[tuple[str, str, Column, list[Path]]]:
    """Row, column with its name, and the folders of its runs, seed by seed."""
    for row in budget.rows or table.rows:
        for name in budget.columns or table.columns:
            settings = settings_of(table, budget, row, name)
            yield row, name, table.columns[name], [folders[Job(row, seed, settings)] for seed in range(seeds)]


def failed_of(runs: Sequence[Path]) -> tuple[tuple[str, Path], ...]:
    """What became of those that failed, in a word, and their folders."""
    return tuple(
        (NO_NUMBER if has_diverged(folder) else UNFINISHED, folder)
        for folder in runs
        if failure_of(folder) is not None
    )


def paper_of(table: Table, row: str, column: str) -> float | Literal["N/C"] | None:
    numbers = table.paper.get(row, {})
    return NO_NUMBER if column in numbers and numbers[column] is None else numbers.get(column)


def compared(cells: Sequence[Cell], table: Table) -> list[Cell]:
    """With their differences from the first row's, or from those that the table compares them with."""
    numbers = {(cell.row, cell.column): cell.numbers for cell in cells}

    def differences(cell: Cell) -> tuple[float | None, ...]:
        if cell.row == cells[0].row:
            return ()
        others = numbers[table.against.get(cell.row, cells[0].row), cell.column]
        return tuple(
            None if mine is None or other is None else mine - other
            for mine, other in zip(cell.numbers, others, strict=True)
        )

    return [replace(cell, differences=differences(cell)) for cell in cells]


def mean_and_deviation(values: Sequence[float]) -> str:
    """`12.34 ± 0.56`, mean and standard deviation over seeds; the value alone where there is one."""
    if len(values) == 1:
        return f"{values[0]:.2f}"
    return f"{statistics.mean(values):.2f} ± {statistics.stdev(values):.2f}"


def paired_difference(differences: Sequence[float]) -> str:
    """`-0.50 (-0.90 .. -0.10)`: mean over seeds with its 95 % interval by Student's t; no interval of one, or
    of equal ones, whose spread is not known to be nothing."""
    if not differences:
        return ""
    mean = statistics.mean(differences)
    if len(differences) == 1 or max(differences) == min(differences):
        return f"{mean:+.2f}"
    reach = STUDENT[len(differences) - 2] * statistics.stdev(differences) / math.sqrt(len(differences))
    return f"{mean:+.2f} ({mean - reach:+.2f} .. {mean + reach:+.2f})"


def number_text(cell: Cell) -> str:
    """`12.34 ± 0.56`; `12.34 ± 0.56 (1 N/C)` where one of some seeds failed; `N/C` where all did."""
    counts = Counter(word for word, _ in cell.failed)
    if not cell.known:
        return ", ".join(counts)
    failed = ", ".join(f"{count} {word}" for word, count in counts.items())
    return mean_and_deviation(cell.known) + (f" ({failed})" if failed else "")


def write_results(
    cells: Sequence[Cell],
    table: Table,
    budget: Budget,
    footer: str,
    overrides: Sequence[str],
    out: Path,
    *,
    called: tuple[str, str] = TEST_ERROR,
    says: str = "",
) -> str:
    """Writes table.csv and table.md into `out`; returns the Markdown.

    overrides: what --set changed. called: the numbers. says: how they were measured, a sentence.
    """
    of_best = ["best of evaluations"] if any(cell.best for cell in cells) else []
    heads = ["method", "setting", called[0], "minus baseline", *of_best, "paper"]
    abouts = list(dict.fromkeys(name for cell in cells for name in cell.about))
    rows = []
    lines = [f"# {table.title}", "", _line(heads), "|" + "---|" * len(heads)]
    for cell in cells:
        number = cell.paper if isinstance(cell.paper, float) else ""
        for seed, value in enumerate(cell.numbers):
            difference = cell.differences[seed] if cell.differences else None
            best = [_digits(cell.best[seed] if cell.best else None)] if of_best else []
            about = [cell.about.get(name, "") for name in abouts]
            row = [cell.row, cell.column, seed, _digits(value), _digits(difference), *best, number, *about]
            rows.append(row)
        paper = f"{number:.2f}" if isinstance(number, float) else "" if cell.paper is None else NO_NUMBER
        differences = paired_difference([each for each in cell.differences if each is not None])
        if differences and cell.row in table.against:
            differences += f", minus {table.against[cell.row]}"
        known = [each for each in cell.best if each is not None]
        best = [mean_and_deviation(known) if known else ""] if of_best else []
        lines.append(_line([cell.row, cell.column, number_text(cell), differences, *best, paper]))
    header = [
        "row",
        "column",
        "seed",
        called[1],
        "difference",
        *(["best"] if of_best else []),
        "paper",
        *abouts,
    ]
    write_csv(out / "table.csv", header, rows)
    seeds = len(cells[0].numbers)
    how = (
        f"Mean ± standard deviation over {seeds} seeds, after the last step; differences are paired by seed, "
        "with 95 % intervals by Student's t."
    )
    lines += ["", how if seeds > 1 else "One seed, after the last step."]
    failed = dict.fromkeys(each for cell in cells for each in cell.failed)
    for word, what in (
        (NO_NUMBER, "runs that did not converge"),
        (UNFINISHED, "runs that wait to be continued"),
    ):
        if names := ", ".join(f"{run.parent.name}/{run.name}" for kind, run in failed if kind == word):
            lines.append(f"{word}, {what}, left out of means and differences: {names}.")
    left_out = [
        name
        for chosen, all_of in ((budget.rows, table.rows), (budget.columns, table.columns))
        for name in all_of
        if chosen and name not in chosen
    ]
    if left_out:
        lines.append(f"Not run under this budget: {'; '.join(left_out)}.")
    if overrides:
        lines.append(f"Changed by --set, whatever the next lines say: {', '.join(overrides)}.")
    lines += [text for text in (says, budget.says, table.notes, footer) if text]
    text = "\n".join(lines) + "\n"
    write_text(out / "table.md", text)
    return text


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _digits(number: float | None) -> str:
    return "" if number is None else f"{number:.4f}"


def provenance(configs: dict[Path, TableConfig]) -> str:
    """How, when, where and with what the runs were made."""
    config = next(iter(configs.values()))
    says = f"{counted(config.train.steps, 'step')} of {config.train.batch_size}, {config.train.precision}"
    records = [record for folder in configs if (record := record_of(folder))]
    if not records:
        return says + "."

    def all_of(name: str) -> str:
        return " and ".join(dict.fromkeys(str(value) for record in records for value in record.get(name, [])))

    at_once, threads = all_of("at_once"), all_of("threads")
    says += f"; {all_of('hardware')}, "
    says += "one run at a time" if at_once == "1" else f"{at_once} runs at once"
    if threads:
        says += f", {threads} thread{'' if threads == '1' else 's'} each"
    # Of whole runs alone, each of whose parts was timed to its end.
    seconds = [
        sum(record["seconds"])
        for record in records
        if "failed" not in record and None not in record["seconds"]
    ]
    if seconds:
        median = statistics.median(seconds)
        says += f", {median:,.0f} s a run (median), {config.train.steps / median:.1f} steps/s"
    return f"{says}; commit {all_of('commit')}, torch {all_of('torch')}, {all_of('date')}."
