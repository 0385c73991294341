"""The tables of a study, in Markdown: each arm minus the control, and what all arms are like."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from pathlib import Path

from sphereface_plus.files import write_text
from sphereface_plus.words import counted

from ..compare import markdown
from .comparisons import MEASURES, Comparison, of_arms, of_contrasts, paired
from .kept import Kept
from .numbers import detectable, holm, over_seeds
from .protocols import protocols, table_rows
from .spec import START, Study
from .weights import read_weights

OF_UNSEEN_PEOPLE = {
    "fnir": "FNIR % at FPIR .01",
    "all_pairs_tar": "TAR % at FAR .001, all pairs",
    "all_pairs_eer": "EER %, all pairs",
    "d_prime": "d'",
    "genuine_degrees": "angle within a person",
    "impostor_degrees": "angle between people",
}
"""What else is described of the test, in degrees where it is an angle; its differences are shown, too."""
OF_TRAINING = {
    "energy_of_people": "energy, people alike",
    "energy_of_photos": "energy, by photos",
    "smallest_angle_degrees": "smallest angle of prototypes",
    "turned_degrees": "prototypes turned since the start",
    "prototype_length": "length of prototypes",
    "classification_loss": "classification loss",
    "energy_gradient": "energy's tangential gradient",
    "classification_gradient": "the loss's",
}
"""And of prototypes and training."""
ALPHA = 0.05


def text_of(study: Study, kept: Kept) -> str:
    """table.md."""
    seeds = sorted({row.seed for row in kept.rows})
    lines = [f"# {study.title}", "", _described(study, kept)]
    for number, (measure, (_, words)) in enumerate(MEASURES.items()):
        found = of_arms(study, kept, measure)
        lines += ["", f"## {words}: {'the main measure' if number == 0 else 'beside it'}", ""]
        if not found:
            lines.append("No two seeds have the control and another arm yet.")
            continue
        lines.append(_compared(study, found))
        if between := of_contrasts(study, kept, measure):
            lines += ["", f"### {words}: arms among themselves", "", _compared(study, between)]
    if described := _differences(study, kept):
        lines += ["", "## Described, not tested: minus the control, by seed", "", described]
    reported = {words: protocols(study, kept, measure, kind) for measure, (kind, words) in MEASURES.items()}
    if all(reported.values()):
        lines += ["", "## What other reports of these runs would say", ""]
        lines.append(markdown(table_rows(reported)))
    lines += ["", "## How", ""]
    lines.append(
        f"{counted(len(seeds), 'seed')}: {', '.join(map(str, seeds))}. Differences are paired by seed: both "
        "arms go on from one start with the same crops in the same order. `By seed` is Student's t interval, "
        "`by person` that of other people under the same models, of gains averaged over the seeds, `by both` "
        "that of other trainings and other people at once; p is the larger one of the first two's, and "
        "Holm's adjustment is over the rows of a table. `Found by 4 in 5`: the true difference that four in "
        "five such studies would find at the first step of Holm's, with this row's own spreads over seeds "
        "and people."
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
    tested = {name: words for name, (_, words) in MEASURES.items()}
    all_words = tested | OF_UNSEEN_PEOPLE | OF_TRAINING
    names = [name for name in all_words if any(name in row.numbers for row in kept.rows)]
    words = [all_words[name] for name in names]
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


def _compared(study: Study, found: Sequence[Comparison]) -> str:
    adjusted = holm({name_of(study, each): each.p_value for each in found})
    head = ["arm minus control, or as it says", "seeds", "points", "by seed", "by person", "by both"]
    rows = [[*head, "p", "p, Holm", "found by 4 in 5"]]
    for each in found:
        intervals = *((i.low, i.high) for i in (each.seeds, each.people)), each.both
        ends = (f"{low:+.2f} .. {high:+.2f}" for low, high in intervals)
        spread, alpha = statistics.stdev(each.differences), ALPHA / len(found)
        effect = ""
        if spread:
            found_by_most = detectable(spread, len(each.differences), alpha, people_error=each.people.error)
            effect = f"{found_by_most:.2f}"
        name = name_of(study, each)
        tested = f"{each.p_value:.3f}", f"{adjusted[name]:.3f}"
        rows.append([name, str(len(each.differences)), f"{each.mean:+.2f}", *ends, *tested, effect])
    return markdown(rows)


def _differences(study: Study, kept: Kept) -> str:
    """Empty where nothing can be compared yet."""
    rows = [["arm minus control, or as it says", *OF_UNSEEN_PEOPLE.values()]]
    for each in of_arms(study, kept, next(iter(MEASURES))):
        both, cells = paired(kept.rows, each.arm, each.other), []
        for name in OF_UNSEEN_PEOPLE:
            values = [
                mine.numbers[name] - yours.numbers[name]
                for mine, yours in both
                if name in mine.numbers and name in yours.numbers
            ]
            found = over_seeds(values) if len(values) > 1 else None
            cells.append(
                f"{statistics.mean(values):+.3f} ({found.low:+.3f} .. {found.high:+.3f})" if found else ""
            )
        rows.append([name_of(study, each), *cells])
    return markdown(rows) if len(rows) > 1 else ""


def name_of(study: Study, each: Comparison) -> str:
    return each.arm if each.other == study.control else f"{each.arm}, minus {each.other}"


def _provenance(kept: Kept) -> str:
    def all_of(name: str) -> str:
        return " and ".join(sorted({row.made_with[name] for row in kept.rows}))

    if all(row.arm == START for row in kept.rows):
        return ""
    seconds = statistics.median(float(row.made_with["seconds"]) for row in kept.rows if row.arm != START)
    return (
        f"{all_of('processor')} ({all_of('instructions')}), {all_of('precision')}, threads "
        f"{all_of('threads')}; an arm took {seconds:,.0f} s (median), with its measurement; commit "
        f"{all_of('commit')}, torch {all_of('torch')}, {all_of('date')}; data {all_of('data')}."
    )
