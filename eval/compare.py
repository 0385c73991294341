"""Several models on the same pairs: each against the first, pair by pair."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from sphereface_plus.data.formats.pairs import Pairs
from sphereface_plus.files import write_page, write_text
from sphereface_plus.words import counted

from . import pair_tars
from .differences import cells, p_text
from .intervals import few_people_factor
from .paired_difference import RESAMPLES, paired_difference
from .people import People, people_of
from .plots import interval_plot, roc_plot
from .rendering import render
from .report import few_people_words, known
from .report_fields import ComparedReport
from .report_files import ReportError, checked
from .resolutions import UNSURE, least_sure
from .statistics import of_all, roc

FEW = 25
"""Pairs that decide, divided as TEST says: below so many, McNemar's test is to be believed."""
TEST = (
    "Difference: accuracy minus that of the first model; 95 % interval by a paired bootstrap within folds "
    f"({RESAMPLES:,} resamples). p: McNemar's test, two-sided, on the pairs that decide: those that only one "
    "of the two has right. One person in many pairs changes them together, so pairs count as fewer: their "
    "number is divided by the design effect of the pairs' differences, and by (t / z)^2, where t is "
    "Student's quantile with one degree of freedom less than people (2.0 for 5 people, near 1 for many). If "
    "nobody is in two pairs, nothing is divided, and the test is McNemar's exact one. If fewer than "
    f"{FEW} pairs decide after this division, believe p, not the interval: resampled from four pairs, it "
    "leaves out 0 by chance in 12 of 100 cases, the test in fewer than 5."
)


def compare(reports: Sequence[Mapping[str, Any]], names: Sequence[str]) -> dict[str, Any]:
    """The comparison as plain data.

    reports: the contents of report.json files, the first of which is the base; names: where they lie.
    Raises ReportError where a report is damaged, or two are not on the same pairs.
    """
    for report, name in zip(reports, names, strict=True):
        checked(dict(report), name, ComparedReport)
    base = reports[0]
    for report, name in zip(reports[1:], names[1:], strict=True):
        if report["pairs"]["sha256"] != base["pairs"]["sha256"]:
            raise ReportError(
                f"{name} and {names[0]} are on different pairs (sha256 {report['pairs']['sha256'][:12]}... "
                f"and {base['pairs']['sha256'][:12]}...); a paired test needs one list, so measure both "
                "models on it"
            )
        if report["per_pair"]["genuine"] != base["per_pair"]["genuine"]:
            raise ReportError(
                f"{name} and {names[0]} name the same pairs (sha256), yet not the same of them are genuine; "
                "one of the two is damaged, make it again with python -m eval"
            )
        if not of_all([each["results"]["tar_at_far"] for each in (report, base)], "far")[0]:
            raise ReportError(
                f"{name} and {names[0]} have TAR at no FAR that is in both; they are of different versions, "
                "make them again with one"
            )
    fold = np.array(base["per_pair"]["fold"])
    correct = [np.array(report["per_pair"]["correct"], dtype=bool) for report in reports]
    people = _people(base["per_pair"])
    labels, tars, models = model_labels(reports, names), _tars(reports, people), []
    for report, name, label, right, shown in zip(reports, names, labels, correct, tars, strict=True):
        numbers = report["results"]
        models.append(
            {
                "label": label,
                "report": name,
                "sha256": report["model"]["sha256"],
                "protocol": report["protocol"]["name"],
                "flip": report["model"]["flip"],
                "accuracy": numbers["accuracy"],
                "accuracy_interval": numbers["accuracy_interval"],
                "accuracy_std": numbers["accuracy_std"],
                "equal_error_rate": numbers["equal_error_rate"],
                "auc": numbers["auc"],
                "tar_at_far": shown,
                "against_first": None if report is base else _difference(correct[0], right, fold, people),
                "is_first": report is not base and _is_copy(report, base),
            }
        )
    protocols = sorted({model["protocol"] for model in models})
    return {
        "format": 1,
        "title": base["title"],
        "pairs": base["pairs"],
        "test": f"{TEST} The {known(people)}.{few_people_words(people)}",
        "tar_test": pair_tars.TEST,
        "protocols": protocols,
        "models": models,
    }


def _tars(reports: Sequence[Mapping[str, Any]], people: People) -> list[list[dict[str, Any]]]:
    """Of each model the TARs at the FARs that all have, each with its difference from the first model's."""
    points = of_all([report["results"]["tar_at_far"] for report in reports], "far")
    scores = [np.array(report["per_pair"]["score"]) for report in reports]
    genuine = np.array(reports[0]["per_pair"]["genuine"], dtype=bool)
    fars = [point["far"] for point in points[0]]
    differences = pair_tars.against_first(scores, genuine, people, fars)
    return [
        [{**point, "against_first": difference} for point, difference in zip(*of_model, strict=True)]
        for of_model in zip(points, differences, strict=True)
    ]


def shown_far(comparison: Mapping[str, Any]) -> int:
    """The place of the lowest FAR that is resolved of all models, else of the highest one."""
    of_models = zip(*(model["tar_at_far"] for model in comparison["models"]), strict=True)
    at_each = [least_sure(point["resolution"] for point in points) for points in of_models]
    resolved = [place for place, sure in enumerate(at_each) if sure == "resolved"]
    return resolved[-1] if resolved else 0


def _is_copy(report: Mapping[str, Any], base: Mapping[str, Any]) -> bool:
    """Whether it is the base again: one model, one protocol, and the same scores to the last bit."""
    same_model = report["model"]["sha256"] == base["model"]["sha256"]
    same_protocol = report["protocol"]["name"] == base["protocol"]["name"]
    return same_model and same_protocol and report["per_pair"]["score"] == base["per_pair"]["score"]


def _people(per_pair: Mapping[str, Any]) -> People:
    genuine = np.array(per_pair["genuine"], dtype=bool)
    return people_of(Pairs(per_pair["first"], per_pair["second"], genuine, np.array(per_pair["fold"])))


def _difference(base: np.ndarray, other: np.ndarray, fold: np.ndarray, people: People) -> dict[str, Any]:
    difference = paired_difference(base, other, fold, people)
    fewer = difference.design_effect * few_people_factor(people)
    deciding = (difference.only_base + difference.only_other) / fewer
    return {**asdict(difference), "few_pairs": 0 < deciding < FEW}


def table(comparison: Mapping[str, Any]) -> str:
    """Accuracy, and TAR with its test, as Markdown tables, which read well in a terminal too."""
    again = [model["report"] for model in comparison["models"] if model["is_first"]]
    rows = [["model", "protocol", "accuracy %", "95 % interval", "EER %", "difference", "95 % interval", "p"]]
    few = []
    for model in comparison["models"]:
        low, high = model["accuracy_interval"]
        row = [
            model["label"],
            model["protocol"],
            f"{100 * model['accuracy']:.2f}",
            f"{100 * low:.2f} .. {100 * high:.2f}",
            f"{100 * model['equal_error_rate']:.2f}",
        ]
        if against := model["against_first"]:
            low, high = against["interval"]
            row += [
                f"{100 * against['difference']:+.2f}",
                f"{100 * low:+.2f} .. {100 * high:+.2f}",
                p_text(against["p_value"]),
            ]
            if against["few_pairs"]:
                few.append(
                    f"{model['label']}: {counted(against['only_other'], 'pair')} gained and "
                    f"{against['only_base']:,} lost "
                    "against the first are few; believe p, not the interval."
                )
        rows.append(row + [""] * (8 - len(row)))
    first = comparison["models"][0]["report"]
    copies = [f"{name}: is {first} again, or a copy: the same model with the same scores." for name in again]
    return "\n".join([markdown(rows), *few, *copies, "", _tar_table(comparison), comparison["tar_test"]])


def _tar_table(comparison: Mapping[str, Any]) -> str:
    place, models = shown_far(comparison), comparison["models"]
    far = models[0]["tar_at_far"][place]["far"]
    rows = [["model", f"TAR % at FAR {far:g}", "difference", "95 % interval", "p"]]
    for model in models:
        point = model["tar_at_far"][place]
        value = f"{100 * point['tar']:.2f}{UNSURE[point['resolution']]}"
        rows.append([model["label"], value, *cells(point["against_first"])])
    return markdown(rows)


def write(comparison: Mapping[str, Any], reports: Sequence[Mapping[str, Any]], out: Path) -> Path:
    """Writes compare.json and compare.html into `out` and returns the page's path."""
    out.mkdir(parents=True, exist_ok=True)
    write_text(out / "compare.json", json.dumps(comparison, indent=1) + "\n")
    models = comparison["models"]
    curves = [
        (model["label"], roc(np.array(pairs["score"]), np.array(pairs["genuine"], dtype=bool)))
        for model, pairs in zip(models, (report["per_pair"] for report in reports), strict=True)
    ]
    accuracies = [
        (model["label"], 100 * model["accuracy"], tuple(100 * edge for edge in model["accuracy_interval"]))
        for model in models
    ]
    names = ", ".join(model["label"] for model in models)
    page = render(
        "compare.html.j2",
        comparison=comparison,
        p_text=p_text,
        cells=cells,
        shown_far=shown_far(comparison),
        roc=roc_plot("roc", curves, comparison["pairs"]["impostor"], f"ROC curves of {names}"),
        accuracies=interval_plot(
            "accuracies",
            accuracies,
            "accuracy in %, with 95 % interval",
            "Accuracies: " + ", ".join(f"{label} {value:.2f} %" for label, value, _ in accuracies),
        ),
    )
    write_page(out / "compare.html", page)
    return out / "compare.html"


def markdown(rows: Sequence[Sequence[str]]) -> str:
    """Rows, the first of them the header, as an aligned Markdown table; the first column is text."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [
        "| "
        + " | ".join(
            cell.rjust(w) if i else cell.ljust(w) for i, (cell, w) in enumerate(zip(row, widths, strict=True))
        )
        + " |"
        for row in rows
    ]
    rule = "|" + "|".join("-" * (w + 1) + ("-" if not i else ":") for i, w in enumerate(widths)) + "|"
    return "\n".join([lines[0], rule, *lines[1:]])


def model_labels(reports: Sequence[Mapping[str, Any]], names: Sequence[str]) -> list[str]:
    """The models' labels; where one occurs twice, with the report's place."""
    labels = [report["model"]["label"] for report in reports]
    often = Counter(labels)
    return [
        label if often[label] == 1 else f"{label} ({name})" for label, name in zip(labels, names, strict=True)
    ]
