"""The paper's tables of face models: files that name a model for each cell, and what was measured of them.

A table lies in configs/paper/faces. Models lie in one folder: NAME (a run folder), NAME.safetensors, NAME.pt
or NAME.onnx; trained with several seeds, NAME_seed0, NAME_seed1, ...
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, stdev
from typing import Any, Literal, NamedTuple

from pydantic import Field, model_validator

from sphereface_plus.config import ConfigError
from sphereface_plus.config.recipes import recipes_folder
from sphereface_plus.config.strict import Strict, read, validate
from sphereface_plus.words import counted

from ..resolutions import UNSURE, Resolution, least_sure

Measure = Literal["lfw_accuracy", "megaface_rank_1", "megaface_tar"]
SUFFIXES = ("", ".safetensors", ".pt", ".onnx")
TAR_AT = 1e-6
THE_PAPERS = 1_000_000
"""Distractors of the paper's numbers."""
WORDS: dict[Measure, str] = {
    "lfw_accuracy": "mean accuracy of LFW's ten folds, view 2, protocol sphereface",
    "megaface_rank_1": "rank-1 with all distractors, mean over the sets",
    "megaface_tar": f"verification rate at FAR {TAR_AT:.0e}, pairs of a probe and a distractor, "
    "mean over the sets (where these differ without the interval, which a report has of the first)",
}


class FaceTable(Strict):
    title: str
    """What the paper's caption says."""
    measures: dict[str, Measure]
    """Group of columns -> what is measured in it."""
    rows: dict[str, dict[str, str]]
    """Row -> column of each group -> name of the model."""
    paper: dict[str, dict[str, dict[str, float]]] = Field(default={})
    """Group, row, column -> the paper's number in %."""
    plot: Literal["none", "rank_by_distractors", "roc"] = "none"
    """What is drawn of all models: rank-1 and rank-10 against distractors, or the ROC."""
    notes: str = ""
    """Sentences below the table."""

    @model_validator(mode="after")
    def _names_agree(self) -> FaceTable:
        for group, rows in self.paper.items():
            for row, columns in rows.items():
                if group not in self.measures or set(columns) - set(self.rows.get(row, {})):
                    raise ValueError(f"paper: {group}, {row} is not a group and row with these columns")
        return self


def load_table(name: str) -> tuple[FaceTable, Path]:
    """A table by its name (table08, figure09) or file. Raises ConfigError."""
    folder = recipes_folder() / "paper" / "faces"
    path = Path(name) if name.endswith(".yaml") else folder / f"{name}.yaml"
    if not path.is_file():
        known = ", ".join(sorted(file.stem for file in folder.glob("*.yaml")))
        raise ConfigError(f"{name}: is not a table of face models; there are {known}")
    return validate(FaceTable, read(path), str(path)), path


def models_of(table: FaceTable, folder: Path) -> dict[str, list[Path]]:
    """Name -> the models of that name in the folder, one a seed. Raises ConfigError for none at all."""
    names = list(dict.fromkeys(name for row in table.rows.values() for name in row.values()))
    found = {name: _seeds(folder, name) for name in names}
    if not any(found.values()):
        raise ConfigError(
            f"{folder}: holds none of the {counted(len(names), 'model')} of the table ({', '.join(names[:3])}"
            ", ...); each is a run folder, or a file in .safetensors, .pt or .onnx, of that name, with "
            "_seed0, _seed1, ... behind it where there are several"
        )
    return found


def _seeds(folder: Path, name: str) -> list[Path]:
    plain = [path for suffix in SUFFIXES if (path := folder / f"{name}{suffix}").exists()]
    pattern = re.compile(re.escape(name) + r"_seed([0-9]+)(" + "|".join(map(re.escape, SUFFIXES)) + ")")
    numbered = [(int(match[1]), path) for path in folder.iterdir() if (match := pattern.fullmatch(path.name))]
    both = [*plain[:2], *(path for _, path in numbered[:1])]
    if len(plain) > 1 or (plain and numbered):
        raise ConfigError(
            f"{folder}: holds {' and '.join(path.name for path in both)}; keep one, or name all by seeds"
        )
    return plain or [path for _, path in sorted(numbered)]


class Share(NamedTuple):
    """A share, its 95 % interval by person where there is one, and whether so many pairs show it."""

    value: float
    interval: tuple[float, float] | None = None
    resolution: Resolution = "resolved"


@dataclass(frozen=True)
class Cell:
    """The numbers of one model, one a seed; empty where it was not measured."""

    raw: list[Share]
    cleaned: list[Share]
    """Without the noise lists' images; empty where there are none."""


Measured = Callable[[Path, Measure], tuple[Share, Share | None] | None]
"""Model, measure -> its share, and the cleaned one where there are noise lists; None: not asked for."""


def cells(
    table: FaceTable, models: Mapping[str, Sequence[Path]], measured: Measured
) -> dict[tuple[str, str, str], Cell]:
    """(group, row, column) -> numbers."""
    result = {}
    for group, measure in table.measures.items():
        for row, columns in table.rows.items():
            for column, name in columns.items():
                found = [value for path in models[name] if (value := measured(path, measure)) is not None]
                result[group, row, column] = Cell(
                    [raw for raw, _ in found], [clean for _, clean in found if clean is not None]
                )
    return result


def markdown(
    table: FaceTable, numbers: Mapping[tuple[str, str, str], Cell], distractors: Sequence[int] = ()
) -> str:
    """The table beside the paper's numbers. distractors: how many were searched on MegaFace here."""
    columns = list(dict.fromkeys(column for row in table.rows.values() for column in row))
    heads = [(group, column) for group in table.measures for column in columns]
    single = len(columns) == 1
    lines = [
        f"# {table.title}",
        "",
        "| | " + " | ".join(group if single else f"{group}, {column}" for group, column in heads) + " |",
        "|---" * (1 + len(heads)) + "|",
    ]
    for row in table.rows:
        of_row = [_cell(table, numbers[group, row, column], group, row, column) for group, column in heads]
        lines.append(f"| {row} | " + " | ".join(of_row) + " |")
    lines += [
        "",
        "Measured here, in %; in brackets the paper's number; ± the standard deviation over [seeds].",
    ]
    if any(len(shares) == 1 and shares[0].interval for cell in numbers.values() for shares in _both(cell)):
        lines.append("After the comma: the 95 % interval by person.")
    if any(cell.cleaned for cell in numbers.values()):
        lines.append("Behind the slash: without the images of the noise lists.")
    lines += [f"{group}: {WORDS[measure]}." for group, measure in table.measures.items()]
    if distractors:
        here = " and ".join(f"{number:,}" for number in sorted(set(distractors)))
        lines.append(f"Searched here: {here} distractors.")
        if set(distractors) != {THE_PAPERS}:
            lines.append(f"The paper's numbers are of {THE_PAPERS:,}, and do not compare with these.")
    if table.notes:
        lines.append(table.notes)
    return "\n".join(lines) + "\n"


def _both(cell: Cell) -> list[list[Share]]:
    return [shares for shares in (cell.raw, cell.cleaned) if shares]


def _cell(table: FaceTable, cell: Cell, group: str, row: str, column: str) -> str:
    words = " / ".join(map(_words, _both(cell))) or "-"
    theirs = table.paper.get(group, {}).get(row, {}).get(column)
    return words if theirs is None else f"{words} ({theirs:.2f})"


def _words(shares: Sequence[Share]) -> str:
    if len(shares) > 1:
        values = [100 * share.value for share in shares]
        mark = UNSURE[least_sure(share.resolution for share in shares)]
        return f"{mean(values):.2f} ± {stdev(values):.2f} [{len(values)}]{mark}"
    value, interval, resolution = shares[0]
    sure = "" if interval is None else ", {:.2f} .. {:.2f}".format(*(100 * end for end in interval))
    return f"{100 * value:.2f}{sure}{UNSURE[resolution]}"


def share_of(report: Mapping[str, Any], measure: Measure) -> tuple[Share, Share | None]:
    """The measure in a report of `eval lfw` or `eval megaface`, and its cleaned value."""
    if measure == "lfw_accuracy":
        results = report["results"]
        return _share(results["accuracy"], results["accuracy_interval"]), None
    results = report["results"]
    raw, cleaned = (results.get(kind) for kind in ("raw", "cleaned"))
    value = _rank_1 if measure == "megaface_rank_1" else _tar
    return value(raw), None if cleaned is None else value(cleaned)


def _share(value: float, interval: Sequence[float] | None) -> Share:
    return Share(value, None if interval is None else (interval[0], interval[1]))


def _rank_1(numbers: Mapping[str, Any]) -> Share:
    """With several sets the interval is that of the report, and the value the mean over the sets."""
    largest = numbers["sizes"][-1]
    return _share(largest["ranks"][0]["rate"], largest["rank_1_interval"])


def _tar(numbers: Mapping[str, Any]) -> Share:
    """The mean over the sets, which has an interval where these are one; its resolution is set 1's."""
    points, means = numbers["verification"][-1]["tar_at_far"], numbers["tar_over_sets"]
    point, of_sets = (next(one for one in each if one["far"] == TAR_AT) for each in (points, means))
    interval = point["interval"] if of_sets["deviation"] is None else None
    return _share(of_sets["mean"], interval)._replace(resolution=point["resolution"])
