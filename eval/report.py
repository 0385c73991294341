"""The report of one model on one list of pairs: `report.json` for programs, `report.html` for people.

Both say the same. The page is one file without script and without any reference outside it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sphereface_plus.files import write_page, write_text
from sphereface_plus.words import counted

from .intervals import FEW_PEOPLE, accuracy_interval, design_effect, few_people_factor
from .people import People
from .plots import histograms, roc_plot
from .protocols import Outcome, Protocol
from .rendering import photo_name, render, thumbnail
from .report_fields import FORMAT
from .statistics import (
    FARS,
    Rates,
    area_under_curve,
    cosine_to_l2,
    equal_error_rate,
    point_record,
    roc,
    tar_at_far,
)
from .threshold_intervals import intervals_record, listed_points
from .threshold_words import no_false_accept_words

if TYPE_CHECKING:
    from sphereface_plus.data.formats.packs import CropSource
    from sphereface_plus.data.formats.pairs import Pairs

NUM_WORST = 8


def results(
    outcome: Outcome, genuine: np.ndarray, fold: np.ndarray, people: People | None = None, fars: Rates = FARS
) -> dict[str, Any]:
    """Every number of a report, from the protocol's outcome on P pairs; genuine (P,) bool, fold (P,) int.

    people: who is on the pairs, which widens the interval; None where pairs count as independent.
    """
    effect, fewer = 1.0, 1.0
    if people is not None:
        effect, fewer = design_effect(outcome.correct, fold, people), few_people_factor(people)
    curve, num_impostors = roc(outcome.scores, genuine), int(np.sum(~genuine))
    points = [tar_at_far(curve, far, num_impostors) for far in fars]
    own = np.arange(len(genuine))
    who = (own, np.where(genuine, own, len(own) + own)) if people is None else (people.first, people.second)
    of_points = listed_points(points, curve, outcome.scores, genuine, *who)
    std = float(outcome.per_fold.std())  # divided by F, as LFW results are printed
    return {
        "accuracy": float(outcome.per_fold.mean()),
        "accuracy_std": std,
        "accuracy_standard_error": std / float(np.sqrt(len(outcome.per_fold) - 1)),
        "accuracy_interval": accuracy_interval(outcome.correct, fold, effect * fewer),
        "accuracy_interval_is": _interval_words(effect, people),
        "accuracy_interval_of_independent_pairs": accuracy_interval(outcome.correct, fold),
        "design_effect": effect,
        "errors": int(np.sum(~outcome.correct)),
        "per_fold": outcome.per_fold.tolist(),
        "thresholds_cosine": outcome.thresholds.tolist(),
        "thresholds_l2": [cosine_to_l2(threshold) for threshold in outcome.thresholds],
        "auc": area_under_curve(curve),
        "equal_error_rate": equal_error_rate(curve),
        "tar_at_far": [
            point_record(point) | intervals_record(of_point.intervals)
            for point, of_point in zip(points, of_points, strict=True)
        ],
    }


def _interval_words(effect: float, people: People | None) -> str:
    words = "95 % Wilson interval, thresholds kept"
    if people is None:
        return f"{words}; pairs count as independent."
    return (
        f"{words}. The {known(people)}; that they share pairs makes the "
        f"accuracy's variance {effect:.2f} times that of independent pairs (design effect, "
        "at least 1), and the pairs count as so many fewer. Quantiles are Student's, with one degree of "
        "freedom less than people." + few_people_words(people)
    )


def known(people: People) -> str:
    """`70 people are known by ...`: how many there are, and by what."""
    return f"{counted(people.count, 'person')} {'is' if people.count == 1 else 'are'} known {people.words}"


def few_people_words(people: People) -> str:
    """What to think of an interval or a test from few people; nothing where there are enough."""
    if people.count >= FEW_PEOPLE:
        return ""
    return f" Few people: {people.count} do not show well how far people differ; trust this less."


def build(
    *,
    title: str,
    created: str,
    command: str,
    model: Mapping[str, Any],
    pairs: Pairs,
    pairs_record: Mapping[str, Any],
    people: People,
    fold: np.ndarray,
    protocol: Protocol,
    outcome: Outcome,
    fars: Rates,
    preparation: Mapping[str, Any],
    training: Mapping[str, Any],
    environment: Mapping[str, Any],
) -> dict[str, Any]:
    """The whole report as plain data."""
    return {
        "format": FORMAT,
        "title": title,
        "created": created,
        "command": command,
        "model": dict(model),
        "pairs": dict(pairs_record),
        "protocol": {"name": protocol.name, "flip": protocol.flip, "words": protocol.words},
        "results": results(outcome, pairs.genuine, fold, people, fars),
        "preparation": dict(preparation),
        "training": dict(training),
        "environment": dict(environment),
        "per_pair": {
            "first": pairs.first,
            "second": pairs.second,
            "genuine": pairs.genuine.astype(int).tolist(),
            "fold": (fold + 1).tolist(),
            "score": outcome.scores.tolist(),
            "correct": outcome.correct.astype(int).tolist(),
        },
    }


def write(report: Mapping[str, Any], out: Path, images: Mapping[str, CropSource] | None) -> Path:
    """Writes report.json and report.html into `out` and returns the page's path.

    images: photo key -> image, for thumbnails of the worst pairs; None for a page without faces.
    """
    out.mkdir(parents=True, exist_ok=True)
    # One line a part: a person reads the numbers, and 6,000 pairs do not become 36,000 lines.
    parts = ",\n".join(f"{json.dumps(key)}: {json.dumps(value)}" for key, value in report.items())
    write_text(out / "report.json", "{\n" + parts + "\n}\n")
    scores = np.array(report["per_pair"]["score"])
    genuine = np.array(report["per_pair"]["genuine"], dtype=bool)
    numbers = report["results"]
    name, label = report["protocol"]["name"], report["model"]["label"]
    page = render(
        "report.html.j2",
        report=report,
        worst=_worst(report, images),
        no_false_accept_words=no_false_accept_words,
        roc=roc_plot(
            "roc",
            [(label, roc(scores, genuine))],
            int(np.sum(~genuine)),
            f"ROC curve of {label}, area under the curve {numbers['auc']:.5f}",
        ),
        histograms=histograms(
            "scores",
            [("impostor", scores[~genuine]), ("genuine", scores[genuine])],
            ("mean threshold", float(np.mean(numbers["thresholds_cosine"]))),
            "the kind's pairs",
            f"Histograms of genuine scores (mean {scores[genuine].mean():.3f}) and impostor scores "
            f"(mean {scores[~genuine].mean():.3f}), protocol {name}",
        ),
    )
    write_page(out / "report.html", page)
    return out / "report.html"


def _worst(report: Mapping[str, Any], images: Mapping[str, CropSource] | None) -> list[dict[str, Any]]:
    """The genuine pairs of the lowest scores and the impostor pairs of the highest, worst first."""
    pairs = report["per_pair"]
    scores, genuine = np.array(pairs["score"]), np.array(pairs["genuine"], dtype=bool)
    order = np.argsort(scores, kind="stable")
    groups = []
    for kind, indices in (("genuine", order[genuine[order]]), ("impostor", order[~genuine[order]][::-1])):
        entries = [
            {
                "photos": [{"name": photo_name(key), "thumbnail": thumbnail(key, images)} for key in keys],
                "score": scores[index],
                "correct": bool(pairs["correct"][index]),
            }
            for index in indices[:NUM_WORST]
            for keys in [(pairs["first"][index], pairs["second"][index])]
        ]
        groups.append({"kind": kind, "pairs": entries})
    return groups
