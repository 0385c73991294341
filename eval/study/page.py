"""The tables of a study, in Markdown: each arm minus the control, and what all arms are like."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sphereface_plus.files import write_text
from sphereface_plus.words import counted

from ..compare import markdown
from .kept import Kept, Row, beginning
from .numbers import Interval, detectable, detectable_by_people, holm, over_pairs, over_searches, over_seeds
from .protocols import protocols, table_rows
from .spec import Study
from .weights import read_weights

MEASURES = {
    "rank_1": ("searches", "rank-1 %"),
    "accuracy": ("pairs", "accuracy of the pairs %"),
}
"""What is tested, the first one first: of which outcomes, and in words."""
OTHERS = {
    "fnir": "FNIR % at FPIR .01",
    "all_pairs_tar": "TAR % at FAR .001, all pairs",
    "all_pairs_eer": "EER %, all pairs",
    "d_prime": "d'",
    "genuine_degrees": "angle within a person",
    "impostor_degrees": "angle between people",
    "energy_of_people": "energy, people alike",
    "energy_of_photos": "energy, by photos",
    "smallest_angle_degrees": "smallest angle of prototypes",
    "turned_degrees": "prototypes turned since the start",
    "prototype_length": "length of prototypes",
    "classification_loss": "classification loss",
    "energy_gradient": "energy's tangential gradient",
    "classification_gradient": "the loss's",
}
"""What is described, in degrees where it is an angle."""
ALPHA = 0.05


@dataclass(frozen=True)
class Comparison:
    """An arm minus the control, or what else it is compared with, in one measure, in points."""

    arm: str
    measure: str
    differences: list[float]
    """By seed."""
    seeds: Interval
    people: Interval
    discordant: float
    """Share of pairs (searches) that one of the two has right and the other has not, mean over seeds."""

    @property
    def p_value(self) -> float:
        """That seeds alone, or people alone, explain the difference."""
        return max(self.seeds.p_value, self.people.p_value)


def comparisons(study: Study, kept: Kept, measure: str) -> list[Comparison]:
    """Of all arms that share two seeds or more with what they are compared with."""
    kind, _ = MEASURES[measure]
    found = []
    for arm in list(study.arms)[1:]:
        both = _paired(kept.rows, arm, study.against(arm))
        if len(both) < 2:
            continue
        differences = [mine.numbers[measure] - control.numbers[measure] for mine, control in both]
        gains = [mine.right[kind].astype(int) - control.right[kind].astype(int) for mine, control in both]
        gain, subjects = np.mean(gains, axis=0), kept.subjects[kind]
        by_people = over_pairs(gain, subjects) if kind == "pairs" else over_searches(gain, subjects[:, 0])
        points = Interval(100 * by_people.low, 100 * by_people.high, by_people.p_value)
        discordant = float(np.mean(np.abs(gains)))
        found.append(Comparison(arm, measure, differences, over_seeds(differences), points, discordant))
    return found


def _paired(rows: Sequence[Row], arm: str, control: str) -> list[tuple[Row, Row]]:
    """The rows of both, seed by seed and of one start; without those that diverged."""
    of = {(row.seed, beginning(row)): row for row in rows if row.arm == control and row.numbers}
    pairs = [(row, of.get((row.seed, beginning(row)))) for row in rows if row.arm == arm and row.numbers]
    return [(one, other) for one, other in pairs if other is not None]


def text_of(study: Study, kept: Kept) -> str:
    """table.md."""
    seeds = sorted({row.seed for row in kept.rows})
    lines = [f"# {study.title}", "", _described(study, kept)]
    for number, (measure, (kind, words)) in enumerate(MEASURES.items()):
        found = comparisons(study, kept, measure)
        lines += ["", f"## {words}: {'the main measure' if number == 0 else 'beside it'}", ""]
        if not found:
            lines.append("No two seeds have the control and another arm yet.")
            continue
        lines += [_compared(study, kept, found, kind), "", _can_show(study, kept, found, kind)]
    reported = {words: protocols(study, kept, measure, kind) for measure, (kind, words) in MEASURES.items()}
    if all(reported.values()):
        lines += ["", "## What other reports of these runs would say", ""]
        lines.append(markdown(table_rows(reported)))
    lines += ["", "## How", ""]
    lines.append(
        f"{counted(len(seeds), 'seed')}: {', '.join(map(str, seeds))}. Differences are paired by seed: both "
        "arms go on from one start with the same crops in the same order. `By seed` is Student's t interval, "
        "`by person` that of other people under the same models, of gains averaged over the seeds; p is the "
        "larger of the two, and Holm's adjustment is over the arms of a measure that are compared."
    )
    if diverged := [f"{row.arm} of seed {row.seed}" for row in kept.rows if not row.numbers]:
        lines.append(f"Did not converge, and left out: {', '.join(diverged)}.")
    lines += [text for text in (study.notes, _provenance(kept)) if text]
    return "\n".join(lines) + "\n"


def write_table(study: Study, kept: Kept) -> Path:
    """Writes OUT/table.md, and returns its path."""
    write_text(kept.out / "table.md", text_of(study, kept))
    return kept.out / "table.md"


def _described(study: Study, kept: Kept) -> str:
    weights = read_weights(kept.out)
    names = [*MEASURES, *(name for name in OTHERS if any(name in row.numbers for row in kept.rows))]
    words = [MEASURES[name][1] if name in MEASURES else OTHERS[name] for name in names]
    rows = [["arm", "weight", "seeds", *words]]
    for arm in study.rows:
        values = [row.numbers for row in kept.rows if row.arm == arm and row.numbers]
        cells = [_mean([each[name] for each in values if name in each]) for name in names]
        rows.append([arm, f"{weights[arm]:g}" if arm in weights else "", str(len(values)), *cells])
    return markdown(rows)


def _mean(values: Sequence[float]) -> str:
    """Mean and standard deviation, to four digits of the mean."""
    if not values:
        return ""
    mean = statistics.mean(values)
    deviation = f" ± {statistics.stdev(values):.2g}" if len(values) > 1 else ""
    return f"{mean:.4g}{deviation}"


def _compared(study: Study, kept: Kept, found: Sequence[Comparison], kind: str) -> str:
    adjusted = holm({each.arm: each.p_value for each in found})
    rows = [["arm minus control, or as it says", "seeds", "points", "by seed", "by person", "p", "p, Holm"]]
    for each in found:
        mean = statistics.mean(each.differences)
        ends = (
            f"{low:+.2f} .. {high:+.2f}"
            for low, high in ((it.low, it.high) for it in (each.seeds, each.people))
        )
        rows.append(
            [
                name_of(study, each.arm),
                str(len(each.differences)),
                f"{mean:+.2f}",
                *ends,
                f"{each.p_value:.3f}",
                f"{adjusted[each.arm]:.3f}",
            ]
        )
    return markdown(rows)


def name_of(study: Study, arm: str) -> str:
    other = study.arms[arm].against
    return arm if other is None else f"{arm}, minus {other}"


def _can_show(study: Study, kept: Kept, found: Sequence[Comparison], kind: str) -> str:
    """How large an effect would have been found, from the spreads that were seen."""
    alpha = ALPHA / (len(study.arms) - 1)
    trials = len(kept.subjects[kind])
    spread = statistics.median(statistics.stdev(each.differences) for each in found)
    seeds = min(len(each.differences) for each in found)
    shares = statistics.median(each.discordant for each in found)
    by_seed = detectable(spread, seeds, alpha)
    by_people = 100 * detectable_by_people(shares, trials, alpha)
    one = {"pairs": "pair", "searches": "search"}[kind]
    return (
        "Of a true effect, four in five studies like this would find one of "
        f"{max(by_seed, by_people):.2f} points at the first step of Holm's: {by_seed:.2f} by "
        f"{counted(seeds, 'seed')} (median standard deviation of a seed's difference {spread:.2f}), "
        f"{by_people:.2f} by {counted(trials, one)} taken as independent (median share on which arm and "
        f"control disagree {100 * shares:.1f} %)."
    )


def _provenance(kept: Kept) -> str:
    def all_of(name: str) -> str:
        return " and ".join(sorted({row.made_with[name] for row in kept.rows}))

    if not kept.rows:
        return ""
    seconds = statistics.median(float(row.made_with["seconds"]) for row in kept.rows)
    return (
        f"{all_of('processor')} ({all_of('instructions')}), {all_of('precision')}, threads "
        f"{all_of('threads')}; an arm took {seconds:,.0f} s (median), with its measurement; commit "
        f"{all_of('commit')}, torch {all_of('torch')}, {all_of('date')}; data {all_of('data')}."
    )
