"""An identification's key figures in a few lines, for the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sphereface_plus.words import counted

from ..group_words import OF_SEARCHES, group_lines
from ..resolutions import CANNOT
from ..threshold_words import with_ends


def title_of(report: Mapping[str, Any]) -> str:
    """`Identification on probes`; `Identification` where that is the model's label, too, as embeddings in a
    file are called by it."""
    title = report["title"]
    return "Identification" if title == f"Identification on {report['model']['label']}" else title


def table(report: Mapping[str, Any]) -> str:
    """What the command prints."""
    results, opened = report["results"], report["results"]["open_set"]
    searched, people = counted(results["mated"], "search"), counted(results["mated_people"], "person")
    enrolled = (
        f"{counted(results['enrolled'], 'template')} of {counted(results['enrolled_people'], 'person')}"
    )
    lines = [
        f"{searched} with a mate, of {people}, among {enrolled} and "
        f"{counted(results['distractors'], 'distractor')}"
    ]
    if report["mates"]["kind"] == "each":
        lines.append(f"mates: {report['mates']['words']}")
    for rank in results["ranks"][:4]:
        low, high = rank["interval"]
        lines.append(f"rank-{rank['rank']:<3} {_percent(rank['share'])} (95 %: {_range(low, high)})")
    for row in results["by_distractors"]:
        if 0 < row["distractors"] < results["distractors"]:
            low, high = row["interval"]
            spread = (
                "one order"
                if row["std"] is None
                else f"standard deviation of {row['orders']} orders {100 * row['std']:.2f}"
            )
            lines.append(
                f"rank-1 with {row['distractors']:,} of the distractors: {_percent(row['mean'])} "
                f"(95 %: {_range(low, high)}; {spread})"
            )
    lines.append(nonmated_words(opened))
    if opened["rank"] != 1:
        lines.append(f"FNIR counts as found {rank_words(opened['rank'])}, at the threshold or above")
    for point in opened["points"]:
        low, high = point["fnir_interval"]
        mark = "" if point["resolution"] == "resolved" else f", {RESOLUTIONS[point['resolution']]}"
        lines.append(
            f"FNIR {_percent(point['fnir'])} (95 %: {_range(low, high)}) at FPIR {point['fpir']:g}{mark}: "
            f"unknown below a cosine of {with_ends(point, 'cosine')}, an L2 distance above "
            f"{with_ends(point, 'l2')}"
        )
    if words := stand_ins_words(opened):
        lines.append(words)
    if results["per_group"] is not None:
        lines += group_lines(results["per_group"], OF_SEARCHES)
    return "\n".join(lines)


def note_words(note: Mapping[str, Any]) -> str:
    """A note of a report, with the photos or people that it names."""
    examples = ", ".join(note["examples"])
    return f"{note['words']} For example {examples}." if examples else note["words"]


def without_face(report: Mapping[str, Any]) -> list[str]:
    """A note of each set of which the detector found no face in some photos."""
    said = []
    for one in report["sets"]:
        methods = one["preparation"]["methods"]
        if number := methods.get("centre", 0):
            total = counted(sum(methods.values()), "photo")
            said.append(
                f"{one['role']}: no face was found in {number:,} of {total}, and the place where faces "
                'usually are was taken; they are listed on the page under "Photos"'
            )
    return said


def rank_words(rank: int | None) -> str:
    """Which mates are found at the threshold, R of FNIR(N, R, T)."""
    if rank is None:
        return "mates of any rank"
    return "mates that come first" if rank == 1 else f"mates among the best {rank:,}"


RESOLUTIONS = {unsure: f"which so few searches {words}" for unsure, words in CANNOT.items()}


def nonmated_words(opened: Mapping[str, Any]) -> str:
    """Which searches stand for unknown people."""
    of = f"of {counted(opened['nonmated_people'], 'person')}"
    if opened["nonmated_are"] == "given":
        return f"{counted(opened['nonmated'], 'search')} without a mate, {of}"
    return (
        f"no probe is without a mate: the {counted(opened['nonmated'], 'probe')} with one stand for unknown "
        f"people, {of}, searched without their own person"
    )


def stand_ins_words(opened: Mapping[str, Any]) -> str | None:
    """What to do where a few unknown people stand in for an FPIR that they cannot show, and others would."""
    if not opened["stand_ins_show"]:
        return None
    rates = " and ".join(f"{fpir:g}" for fpir in opened["stand_ins_show"])
    return (
        f"FPIR {rates}: the probes with a mate, searched without their own person, are enough to show it, "
        "and stand for unknown people where no probe is without a mate: leave those out (without --probes, "
        "people of one photo), into another --out"
    )


def _percent(share: float) -> str:
    return f"{100 * share:.2f} %"


def _range(low: float, high: float) -> str:
    return f"{100 * low:.2f} to {100 * high:.2f}"
