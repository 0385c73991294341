"""A table of test errors over seeds beside the paper's, as CSV and Markdown.

The error is the last step's: nothing is chosen by it. The paper's are of single runs, and some are the best
checkpoint's on the test set.
"""

from __future__ import annotations

import csv
import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sphereface_plus.config import ImageConfig
from sphereface_plus.reproduce.runs import record_of
from sphereface_plus.reproduce.spec import Budget, Job, Table
from sphereface_plus.training.logs import read_log

# Two-sided 95 % quantiles of Student's t with 1, 2, ... degrees of freedom.
STUDENT = (
    *(12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145),
    *(2.131, 2.120, 2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048),
)
MOST_SEEDS = len(STUDENT) + 1


@dataclass(frozen=True)
class Cell:
    """The errors of one method under one setting, in %, by seed."""

    row: str
    column: str
    errors: tuple[float, ...]
    differences: tuple[float, ...]
    """From the baseline's of the same seed; empty for the baseline."""
    paper: float | None


def error_of(folder: Path, of_class: int | None) -> float:
    """Test error in % after the last step."""
    name = "test/accuracy" if of_class is None else f"test/accuracy_of_{of_class}"
    return 100 * (1 - [line[name] for line in read_log(folder / "log.jsonl") if name in line][-1])


def cells_of(table: Table, budget: Budget, seeds: int, folders: dict[Job, Path]) -> list[Cell]:
    """All cells, row by row; the first row is the baseline."""
    rows, cells = list(budget.rows or table.rows), []
    baseline: dict[str, tuple[float, ...]] = {}
    for row in rows:
        for name in budget.columns or table.columns:
            column = table.columns[name]
            settings = (*column.set, *table.rows[row], *budget.set)
            errors = tuple(
                error_of(folders[Job(row, seed, settings)], column.of_class) for seed in range(seeds)
            )
            baseline.setdefault(name, errors)
            differences = (
                ()
                if row == rows[0]
                else tuple(mine - other for mine, other in zip(errors, baseline[name], strict=True))
            )
            cells.append(Cell(row, name, errors, differences, table.paper.get(row, {}).get(name)))
    return cells


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


def write_results(cells: Sequence[Cell], table: Table, budget: Budget, footer: str, out: Path) -> str:
    """Writes table.csv and table.md into `out`; returns the Markdown."""
    out.mkdir(parents=True, exist_ok=True)
    with (out / "table.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["row", "column", "seed", "test_error_percent", "difference", "paper"])
        for cell in cells:
            for seed, error in enumerate(cell.errors):
                difference = f"{cell.differences[seed]:.4f}" if cell.differences else ""
                paper = "" if cell.paper is None else cell.paper
                writer.writerow([cell.row, cell.column, seed, f"{error:.4f}", difference, paper])
    lines = [f"# {table.title}", "", "| method | setting | test error % | minus baseline | paper |"]
    lines.append("|---|---|---|---|---|")
    for cell in cells:
        paper = "" if cell.paper is None else f"{cell.paper:.2f}"
        lines.append(
            f"| {cell.row} | {cell.column} | {mean_and_deviation(cell.errors)} "
            f"| {paired_difference(cell.differences)} | {paper} |"
        )
    seeds = len(cells[0].errors)
    how = (
        f"Mean ± standard deviation over {seeds} seeds, after the last step; differences are paired by seed, "
        "with 95 % intervals by Student's t."
    )
    lines += ["", how if seeds > 1 else "One seed, after the last step."]
    left_out = [
        name
        for chosen, all_of in ((budget.rows, table.rows), (budget.columns, table.columns))
        for name in all_of
        if chosen and name not in chosen
    ]
    if left_out:
        lines.append(f"Not run under this budget: {'; '.join(left_out)}.")
    lines += [text for text in (budget.says, table.notes, footer) if text]
    text = "\n".join(lines) + "\n"
    (out / "table.md").write_text(text, encoding="utf-8")
    return text


def provenance(configs: dict[Path, ImageConfig], overrides: Sequence[str]) -> str:
    """How, when, where and with what the runs were made."""
    config = next(iter(configs.values()))
    says = f"{config.train.steps:,} steps of {config.train.batch_size}, {config.train.precision}"
    if overrides:
        says += f", with {', '.join(overrides)}"
    records = [record for folder in configs if (record := record_of(folder))]
    if not records:
        return says + "."
    distinct = [
        " and ".join(dict.fromkeys(str(record[key]) for record in records if key in record))
        for key in ("hardware", "commit", "torch", "date")
    ]
    hardware, commit, torch_version, dates = distinct
    seconds = statistics.median(record["seconds"] for record in records)
    at_once = " and ".join(dict.fromkeys(str(record["at_once"]) for record in records))
    threads = next((f", {record['threads']} threads each" for record in records if "threads" in record), "")
    return (
        f"{says}; {hardware}, {at_once} runs at once{threads}, {seconds:,.0f} s a run (median), "
        f"{config.train.steps / seconds:.1f} steps/s; commit {commit}, torch {torch_version}, {dates}."
    )
