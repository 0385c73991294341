"""What other reports of the same runs would have said: chosen on the test, single runs, no trained control.

The paper compares single models, does not say how a weight was chosen, and fine-tunes what it compares with a
model that was not (Appendix A). Here the numbers of a study are compared in those ways, each by itself and
together, so that a reader sees what they are worth. None of them is a result of the study.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from .kept import Kept, Row
from .spec import START, Study

Measured = Callable[[Row], float]


@dataclass(frozen=True)
class Protocol:
    """One way to compare, and the differences in points that it could have reported."""

    words: str
    differences: list[float]


def weights_of_one_arm(study: Study) -> list[str]:
    """The first arm with a ratio, and those that differ from it in the ratio alone; at least two, or none."""
    settings = [(arm.set, arm.against) for arm in study.arms.values() if arm.ratio is not None]
    found = [
        name
        for name, arm in study.arms.items()
        if settings and arm.ratio is not None and (arm.set, arm.against) == settings[0]
    ]
    return found if len(found) > 1 else []


def protocols(study: Study, kept: Kept, measure: str, kind: str) -> list[Protocol]:
    """Of the seeds that have every row, of one start; empty with fewer than two, or without several weights.
    measure: a column of the numbers; kind: the outcomes that it is a share of, pairs or searches."""
    arms = weights_of_one_arm(study)
    seeds = [rows for rows in _by_seed(kept).values() if {*study.rows} <= {*rows}]
    if not arms or len(seeds) < 2:
        return []
    control, others = study.control, [*study.arms][1:]

    def of(row: Row) -> float:
        return row.numbers[measure]

    def best(rows: Mapping[str, Row], names: Sequence[str], of: Measured = of) -> Row:
        return max((rows[name] for name in names), key=of)

    found = [
        Protocol(
            f"as it was designed: {arms[0]}, paired by seed", [of(r[arms[0]]) - of(r[control]) for r in seeds]
        ),
        Protocol(
            f"the best of {len(arms)} weights, chosen on the test itself",
            [of(best(r, arms)) - of(r[control]) for r in seeds],
        ),
        Protocol(
            f"the best of {len(arms)} weights, chosen on half of the people and measured on the other",
            [
                other(best(r, arms, half)) - other(r[control])
                for r in seeds
                for half, other in _halves(kept, kind)
            ],
        ),
        Protocol(
            f"the best of all {len(others)} arms, chosen on the test itself",
            [of(best(r, others)) - of(r[control]) for r in seeds],
        ),
        Protocol(
            "single runs: the control, and the control of another seed",
            [
                of(mine[control]) - of(yours[control])
                for mine in seeds
                for yours in seeds
                if mine is not yours
            ],
        ),
        Protocol(
            f"single runs: {arms[0]}, and the control of another seed",
            [
                of(mine[arms[0]]) - of(yours[control])
                for mine in seeds
                for yours in seeds
                if mine is not yours
            ],
        ),
    ]
    if study.start_measured:
        found += [
            Protocol(
                "the control minus its start, which is those steps longer",
                [of(r[control]) - of(r[START]) for r in seeds],
            ),
            Protocol(
                f"no control: {arms[0]} minus its start", [of(r[arms[0]]) - of(r[START]) for r in seeds]
            ),
            Protocol(
                f"all at once: the best of {len(arms)} weights on the test, minus another seed's start",
                [
                    of(best(mine, arms)) - of(yours[START])
                    for mine in seeds
                    for yours in seeds
                    if mine is not yours
                ],
            ),
        ]
    return found


def table_rows(columns: Mapping[str, Sequence[Protocol]]) -> list[list[str]]:
    """A head and a row a protocol; columns: by the words of a measure, the same protocols in each."""
    head = ["a report of", "comparisons"]
    for words in columns:
        head += [f"{words.removesuffix(' %')}, points", "from .. to", "above 0"]
    rows = [head]
    for same in zip(*columns.values(), strict=True):
        row = [same[0].words, str(len(same[0].differences))]
        for each in same:
            row += _shown(each.differences)
        rows.append(row)
    return rows


def _shown(differences: Sequence[float]) -> list[str]:
    if not differences:
        return ["", "", ""]
    above = sum(difference > 0 for difference in differences)
    ends = f"{min(differences):+.2f} .. {max(differences):+.2f}"
    return [f"{statistics.mean(differences):+.2f}", ends, f"{above} of {len(differences)}"]


def _by_seed(kept: Kept) -> dict[int, dict[str, Row]]:
    """Rows by seed and name, without those that diverged."""
    found: dict[int, dict[str, Row]] = {}
    for row in kept.rows:
        if row.numbers:
            found.setdefault(row.seed, {})[row.arm] = row
    return found


def _halves(kept: Kept, kind: str) -> list[tuple[Measured, Measured]]:
    """Percent right on one half of the people who are searched for and on the other, and the other way round.
    None of pairs, whose folds share people and thresholds."""
    if kind == "pairs":
        return []
    odd = kept.subjects[kind][:, 0] % 2 == 1
    one, other = (lambda row, half=half: 100 * float(np.mean(row.right[kind][half])) for half in (odd, ~odd))
    return [(one, other), (other, one)]
