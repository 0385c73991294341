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

from .kept import Kept, Row, beginning
from .spec import START, Study

Seed = Mapping[str, Row]
"""The rows of one seed, by name."""


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


def forms(study: Study) -> list[str]:
    """The arms with an energy that are compared with the control: no placebos."""
    return [
        name
        for name, arm in study.arms.items()
        if arm.ratio is not None and arm.against is None and "mhe.form=random_push" not in arm.set
    ]


def protocols(study: Study, kept: Kept, measure: str, kind: str) -> list[Protocol]:
    """Each of the seeds that have the rows which it needs; without those that fewer than two seeds have.
    measure: a column of the numbers; kind: the outcomes that it is a share of, pairs or searches."""
    control, weights, of_all = study.control, weights_of_one_arm(study), forms(study)
    arm = weights[0] if weights else [*study.arms][1]
    seeds, found = _by_seed(kept), list[Protocol]()

    def of(row: Row) -> float:
        return row.numbers[measure]

    def best(rows: Seed, names: Sequence[str]) -> float:
        return max(of(rows[name]) for name in names)

    def add(words: str, needed: Sequence[str], differences: Callable[[list[Seed]], list[float]]) -> None:
        there = [rows for rows in seeds if {*needed} <= {*rows}]
        if len(there) > 1:
            found.append(Protocol(words, differences(there)))

    def held_out(there: list[Seed]) -> list[float]:
        """The weight that is best on one half, measured on the other."""
        differences = []
        for rows in there:
            for half, other in _halves(kept, kind):
                chosen = max((rows[name] for name in weights), key=lambda row: _share(row, kind, half))
                differences.append(_share(chosen, kind, other) - _share(rows[control], kind, other))
        return differences

    add(
        f"as it was designed: {arm}, paired by seed",
        (arm, control),
        lambda there: [of(rows[arm]) - of(rows[control]) for rows in there],
    )
    if weights:
        chosen = f"the best of {len(weights)} weights, chosen on"
        add(
            f"{chosen} the test itself",
            (*weights, control),
            lambda there: [best(rows, weights) - of(rows[control]) for rows in there],
        )
        add(f"{chosen} half of the people and measured on the other", (*weights, control), held_out)
    if len(of_all) > len(weights):
        add(
            f"the best of all {len(of_all)} arms with an energy, chosen on the test itself",
            (*of_all, control),
            lambda there: [best(rows, of_all) - of(rows[control]) for rows in there],
        )
    add(
        f"single runs: {arm}, and the control of another seed",
        (arm, control),
        lambda there: [of(mine[arm]) - of(yours[control]) for mine, yours in _crossed(there)],
    )
    add(
        "the control, trained those steps longer, minus its start",
        (control, START),
        lambda there: [of(rows[control]) - of(rows[START]) for rows in there],
    )
    add(
        f"no control: {arm} minus its start",
        (arm, START),
        lambda there: [of(rows[arm]) - of(rows[START]) for rows in there],
    )
    if weights:
        add(
            f"all at once: the best of {len(weights)} weights on the test, minus another seed's start",
            (*weights, START),
            lambda there: [best(mine, weights) - of(yours[START]) for mine, yours in _crossed(there)],
        )
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


def _by_seed(kept: Kept) -> list[Seed]:
    """Rows that have a seed, a start and the crops in common, without those that diverged."""
    found: dict[object, dict[str, Row]] = {}
    for row in kept.rows:
        if row.numbers:
            found.setdefault((row.seed, beginning(row)), {})[row.arm] = row
    return [*found.values()]


def _crossed(there: Sequence[Seed]) -> list[tuple[Seed, Seed]]:
    """All ordered twos of different seeds."""
    return [(mine, yours) for mine in there for yours in there if mine is not yours]


def _halves(kept: Kept, kind: str) -> list[tuple[np.ndarray, np.ndarray]]:
    """bool (Q,) of searches: half of the people who are searched for, and the other half; both ways round.
    None of pairs, whose folds share people and thresholds."""
    if kind == "pairs":
        return []
    odd = kept.subjects[kind][:, 0] % 2 == 1
    return [(odd, ~odd), (~odd, odd)]


def _share(row: Row, kind: str, half: np.ndarray) -> float:
    """Percent right in that half."""
    return 100 * float(np.mean(row.right[kind][half]))
