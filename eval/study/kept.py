"""What a study keeps of its runs: small tables of text, which are committed and go on on another machine.

    OUT/numbers.csv      a row an arm and seed: what it was made with, and every number
    OUT/outcomes.csv     the same rows: which pairs and searches came out right, a bit each, as hex digits
    OUT/pairs.csv        whose each pair is, in numbers that mean nothing outside, and its fold
    OUT/searches.csv     whose each search is
    OUT/weights.csv      which weights follow from which gradients

Checkpoints and crops are not kept. The rows of a seed are of one start and of the same crops: where the start
had to be trained again and came out otherwise, as on another kind of machine, they are made again.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from sphereface_plus.errors import UserError
from sphereface_plus.files import write_csv

MADE_WITH = (
    *("start", "commit", "date", "processor", "instructions", "torch", "precision", "threads", "data"),
    "seconds",
)
"""Columns of a row that are no measures."""


class StudyError(UserError):
    """A study that cannot go on; the message says why."""


@dataclass(frozen=True)
class Row:
    """One arm of one seed."""

    arm: str
    seed: int
    made_with: Mapping[str, str]
    """By MADE_WITH; `start` is a hash over the start's weights, `data` one over crops and lists."""
    numbers: Mapping[str, float]
    """By measure."""
    right: Mapping[str, np.ndarray]
    """bool (P,) of `pairs` and (Q,) of `searches`; like `numbers` empty for a run that diverged."""


@dataclass
class Kept:
    """The tables of a folder; `add` writes them."""

    out: Path
    rows: list[Row] = field(default_factory=list)
    subjects: dict[str, np.ndarray] = field(default_factory=dict)
    """`pairs`: int (P, 3), fold and the two people; `searches`: int (Q, 1)."""

    def find(self, arm: str, seed: int, start: str, data: str) -> Row | None:
        """The row of an arm of a seed, if it is of that start and those crops."""
        asked = (arm, seed, (start, data))
        return next((row for row in self.rows if (row.arm, row.seed, beginning(row)) == asked), None)

    def whole(self, arms: Sequence[str], seed: int) -> bool:
        """Whether the seed has a row for each of these arms, all of one start and the same crops, whichever:
        differences are within a seed, and another machine's crops may have other bits."""
        of_seed = [row for row in self.rows if row.seed == seed]
        return {*arms} <= {row.arm for row in of_seed} and len({*map(beginning, of_seed)}) == 1

    def add(self, row: Row, subjects: Mapping[str, np.ndarray]) -> None:
        """Takes a row in place of an older one of the same arm and seed, leaves out those of the seed that
        are of another start or other crops, and writes the tables. Raises StudyError for other pairs or
        searches than the rows before.
        """
        for kind, numbers in subjects.items():
            if kind in self.subjects and not np.array_equal(self.subjects[kind], numbers):
                raise StudyError(
                    f"{self.out / kind}.csv: the {kind} are others than those of the rows that are there; "
                    "the test set has changed, so give another --out"
                )
        self.subjects.update(subjects)
        # As they are written, so that what is computed from the tables alone is the same: a tie stays one.
        row = replace(row, numbers={name: float(_written(value)) for name, value in row.numbers.items()})
        others = [
            old
            for old in self.rows
            if old.seed != row.seed or (old.arm != row.arm and beginning(old) == beginning(row))
        ]
        self.rows = sorted([*others, row], key=lambda each: each.seed)
        self._write()

    def _write(self) -> None:
        measures = list(dict.fromkeys(name for row in self.rows for name in row.numbers))
        write_csv(
            self.out / "numbers.csv",
            ["arm", "seed", *measures, *MADE_WITH],
            [
                [
                    *(row.arm, row.seed),
                    *(_written(row.numbers[name]) if name in row.numbers else "" for name in measures),
                    *(row.made_with[name] for name in MADE_WITH),
                ]
                for row in self.rows
            ],
        )
        kinds = list(self.subjects)
        write_csv(
            self.out / "outcomes.csv",
            ["arm", "seed", *kinds],
            [[row.arm, row.seed, *(_hex(row.right.get(kind)) for kind in kinds)] for row in self.rows],
        )
        heads = {"pairs": ["fold", "first", "second"], "searches": ["person"]}
        for kind, numbers in self.subjects.items():
            write_csv(self.out / f"{kind}.csv", heads[kind], numbers.tolist())


def _written(value: float) -> str:
    return f"{value:.7g}"


def beginning(row: Row) -> tuple[str, str]:
    """What rows that are compared have in common."""
    return row.made_with["start"], row.made_with["data"]


def read_kept(out: Path) -> Kept:
    """What a folder holds; nothing where there is none yet. Raises StudyError for tables that disagree."""
    kept = Kept(out)
    if not (out / "numbers.csv").is_file():
        return kept
    try:
        kept.subjects = {
            kind: np.array([list(map(int, line.values())) for line in _lines(out / f"{kind}.csv")])
            for kind in ("pairs", "searches")
            if (out / f"{kind}.csv").is_file()
        }
        outcomes = {(line["arm"], line["seed"]): line for line in _lines(out / "outcomes.csv")}
        for line in _lines(out / "numbers.csv"):
            arm, seed = line.pop("arm"), line.pop("seed")
            made_with = {name: line.pop(name) for name in MADE_WITH}
            bits = {kind: outcomes[arm, seed][kind] for kind in kept.subjects}
            right = {kind: _bits(bits[kind], len(of)) for kind, of in kept.subjects.items() if bits[kind]}
            numbers = {name: float(value) for name, value in line.items() if value}
            kept.rows.append(Row(arm, int(seed), made_with, numbers, right))
    except (KeyError, ValueError, OSError) as error:
        reason = " ".join(str(error).split())[:200]
        raise StudyError(
            f"{out}: its tables cannot be read together ({reason}); put them back as they were committed"
        ) from None
    return kept


def _hex(right: np.ndarray | None) -> str:
    """bool (n,) as hex digits; nothing of a run that diverged."""
    return "" if right is None else np.packbits(right).tobytes().hex()


def _bits(digits: str, count: int) -> np.ndarray:
    return np.unpackbits(np.frombuffer(bytes.fromhex(digits), np.uint8), count=count).astype(bool)


def _lines(file: Path) -> list[dict[str, str]]:
    with file.open(newline="", encoding="utf-8") as lines:
        return list(csv.DictReader(lines))
