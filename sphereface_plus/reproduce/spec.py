"""A table of the paper as a file: rows and columns of settings, seeds, budgets, and the paper's numbers.

Its runs are image classifications, whose number is the test error, or generators of images, whose numbers
`python -m eval gan` measures. Faces are refused: tables of theirs are of models that people have.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from sphereface_plus import config
from sphereface_plus.config import ConfigError, GanConfig, ImageConfig
from sphereface_plus.config.recipes import installed_recipe, recipes_folder
from sphereface_plus.config.strict import Strict, read, validate
from sphereface_plus.reproduce import MOST_SEEDS
from sphereface_plus.reproduce.face_tables import face_studies, face_tables

TableConfig = ImageConfig | GanConfig
"""Of a run of a table."""
Measure = Literal["class_score", "frechet_distance", "precision", "recall"]
"""Of generated images, as a report of `python -m eval gan` names it."""


class Column(Strict):
    set: tuple[str, ...] = ()
    """Settings of this column's runs, as `--set` takes them."""
    of_class: int | None = Field(default=None, ge=0)
    """The error of this class alone instead of the whole test set's; image classifications only."""


class Budget(Strict):
    seeds: int = Field(gt=0, le=MOST_SEEDS)
    """Seeds 0, 1, ... of each run."""
    set: tuple[str, ...] = ()
    """Settings of all runs under this budget."""
    set_of: dict[str, tuple[str, ...]] = Field(default={})
    """Row -> settings of its runs alone under this budget, which win over `set`."""
    rows: tuple[str, ...] | None = None
    """Rows that are run; all if not given."""
    columns: tuple[str, ...] | None = None
    """Columns that are run; all if not given."""
    samples: int = Field(default=50_000, gt=1)
    """Images of each generator that are measured."""
    says: str = ""
    """How this differs from what the paper did; sentences below the table."""


REAL = "Real data"
"""Among the paper's numbers of generated images: what real ones would get. No row of runs."""


class Table(Strict):
    title: str
    """What the paper's caption says."""
    recipe: str
    """The recipe that all runs share, relative to this file."""
    rows: dict[str, tuple[str, ...]]
    """Methods with their settings; the first one is the baseline."""
    columns: dict[str, Column]
    paper: dict[str, dict[str, float | None]] = Field(default={})
    """Test error in %, or inception score, by row and column; null for a run of theirs that did not converge
    (N/C)."""
    against: dict[str, str] = Field(default={})
    """Row -> the row that its numbers are compared with, where that is not the baseline."""
    measures: tuple[Measure, ...] = ()
    """What is measured of generated images, in each feature space that the command names."""
    notes: str = ""
    """What has to be known of the paper's numbers; sentences below the table."""
    budgets: dict[Literal["small", "full"], Budget]
    plot: Literal["none", "sweep", "features", "samples"] = "none"
    """sweep: error against the rows, which end in a number; features: the 2-D features of each run; samples:
    images of each generator beside real ones."""
    energies: bool = False
    """Plot the energy of each layer through training."""

    @model_validator(mode="after")
    def _names_agree(self) -> Table:
        for budget in self.budgets.values():
            wrong = set(budget.rows or ()) - set(self.rows) | set(budget.columns or ()) - set(self.columns)
            if wrong:
                raise ValueError(f"budgets: {', '.join(sorted(wrong))} is not a row or column")
            if wrong := set(budget.set_of) - set(budget.rows or self.rows):
                raise ValueError(f"budgets: set_of: {', '.join(sorted(wrong))} is not a row that is run")
            if budget.rows and budget.rows[0] != next(iter(self.rows)):
                raise ValueError("budgets: rows must begin with the baseline, the table's first row")
            for row, other in self.against.items():
                if row in (budget.rows or self.rows) and other not in (budget.rows or self.rows):
                    raise ValueError(f"against: {row} is compared with {other}, which a budget does not run")
        if wrong := set(self.against) - set(self.rows):
            raise ValueError(f"against: {', '.join(sorted(wrong))} is not a row")
        wrong = set(self.paper) - set(self.rows) - {REAL}
        wrong |= {column for numbers in self.paper.values() for column in numbers} - set(self.columns)
        if wrong:
            raise ValueError(f"paper: {', '.join(sorted(wrong))} is not a row or column")
        return self


ELSEWHERE = {
    "figure08": "figure08: is drawn with figure04, of the same runs: sphereface-plus reproduce figure04",
    **{
        f"figure0{number}": f"figure0{number}: needs no training: sphereface-plus sphere figure {number}"
        for number in (1, 2, 5, 6)
    },
}
"""What the paper has as figures and other commands or files draw."""


@dataclass(frozen=True)
class Job:
    """One run of a table."""

    row: str
    seed: int
    settings: tuple[str, ...]
    """In order; the later win."""


def load_table(name: str) -> tuple[Table, Path]:
    """A table by its name (table01, figure03) or file. Raises ConfigError."""
    path = Path(name) if name.endswith(".yaml") else recipes_folder() / "paper" / f"{name}.yaml"
    if name in face_studies():
        raise ConfigError(
            f"{name}: trains and measures face models; name it first: sphereface-plus reproduce {name} "
            "--out OUT"
        )
    if not path.is_file():
        if name in face_tables():
            raise ConfigError(
                f"{name}: measures face models; name it first: sphereface-plus reproduce {name} --models DIR"
            )
        raise ConfigError(ELSEWHERE.get(name) or _no_table(name))
    return validate(Table, read(path), str(path)), path


def _no_table(name: str) -> str:
    known = sorted([*(file.stem for file in (recipes_folder() / "paper").glob("*.yaml")), *face_tables()])
    if installed_recipe(name) is not None:
        return f"{name}: is a recipe, not a table or figure: sphereface-plus train {name}"
    written = re.sub(r"\d+$", lambda number: number[0].zfill(2), Path(name).stem)  # table1 is table01
    same_number = [table for table in (*known, *ELSEWHERE) if table[-2:] == written[-2:]]
    near = difflib.get_close_matches(written, same_number, n=1)
    return f"{name}: is not a table or figure; " + (
        f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}"
    )


def settings_of(table: Table, budget: Budget, row: str, column: str) -> tuple[str, ...]:
    """Of the runs of one row and column, in order; the later win."""
    return (*table.columns[column].set, *table.rows[row], *budget.set, *budget.set_of.get(row, ()))


def jobs_of(table: Table, budget: Budget, seeds: int) -> list[Job]:
    """All runs of a budget, seed by seed, so that an interrupted table has whole seeds. Columns that differ
    in what is read of a run share it."""
    return list(
        dict.fromkeys(
            Job(row, seed, settings_of(table, budget, row, column))
            for seed in range(seeds)
            for row in budget.rows or table.rows
            for column in budget.columns or table.columns
        )
    )


def config_of(job: Job, recipe: Path, data: dict[str, str], overrides: Sequence[str] = ()) -> TableConfig:
    """The validated config of a run. Raises ConfigError.

    data: set -> where it lies. overrides: `a.b=value`, which win over the table's settings.
    """
    tree = config.load(recipe, [*job.settings, *overrides, f"seed={job.seed}"], typed=overrides)
    if not isinstance(tree, TableConfig):
        raise ConfigError(
            f"{recipe}: is {tree.in_words}; a table is of image classifications or of generators of images"
        )
    if tree.data.name not in data:
        raise ConfigError(f"say where {tree.data.name} lies: --data {tree.data.name}=PATH")
    described = config.to_dict(tree)
    described["data"]["path"] = data[tree.data.name]
    changed = config.from_dict(described, origin=str(recipe))
    assert isinstance(changed, TableConfig)
    return changed


def refuse_other_tasks(table: Table, config: TableConfig, file: Path) -> None:
    """Raises ConfigError where a table asks for what its runs do not have."""
    plots = ("none", "samples") if isinstance(config, GanConfig) else ("none", "sweep", "features")
    if table.plot not in plots:
        raise ConfigError(
            f"{file}: plot: {table.plot}: {config.in_words} has no such plot; {' or '.join(plots)}"
        )
    if table.measures and not isinstance(config, GanConfig):
        raise ConfigError(f"{file}: measures: are of generated images, and {config.in_words} makes none")
    if isinstance(config, GanConfig) and any(it.of_class is not None for it in table.columns.values()):
        raise ConfigError(f"{file}: of_class: is of image classifications, and this is {config.in_words}")
