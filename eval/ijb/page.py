"""The page of a measurement on IJB-B or IJB-C: report.html, for people, and report.json, for programs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sphereface_plus.files import write_page, write_text

from ..group_words import unsure_words
from ..identify.plots import cmc_plot, det_plot
from ..identify.words import rank_words
from ..plots import curve_of, roc_plot
from ..public import PUBLIC, without_folders, without_names_of_others
from ..rendering import render
from ..threshold_words import no_false_accept_words, rate_words

MOST_SUBJECTS = 20
"""Of a gallery, in the page's table; report.json has all."""


def write(report: Mapping[str, Any], out: Path) -> Path:
    """Writes report.json and report.html into `out`, and both without paths into OUT/public; returns the
    page's path. Neither shows a face or a name."""
    plots = plots_of(report)
    _write(public(report), plots, out / PUBLIC)
    return _write(report, plots, out)


def _write(report: Mapping[str, Any], plots: Mapping[str, str], out: Path) -> Path:
    parts = ",\n".join(f"{json.dumps(key)}: {json.dumps(value)}" for key, value in report.items())
    write_text(out / "report.json", "{\n" + parts + "\n}\n")
    found = report["identification"]
    rank = found and rank_words(found["galleries"][0]["open_set"]["rank"])
    page = render(
        "ijb.html.j2",
        report=report,
        plots=plots,
        rank_words=rank,
        rate_words=rate_words,
        unsure_words=unsure_words,
        least_found=least_found,
        no_false_accept_words=no_false_accept_words,
    )
    write_page(out / "report.html", page)
    return out / "report.html"


def least_found(counts: Mapping[str, Any]) -> list[dict[str, int]]:
    """Subjects that are found first least often, at most MOST_SUBJECTS, of as many searches those of more
    first: subject, searches, first. counts: a gallery's `by_subject`. Those who are always found are left
    out."""
    rows = [
        {"subject": subject, "searches": searches, "first": first}
        for subject, searches, first in zip(
            counts["subject"], counts["searches"], counts["first"], strict=True
        )
        if first < searches
    ]
    return sorted(rows, key=lambda row: (row["first"] / row["searches"], -row["searches"]))[:MOST_SUBJECTS]


def public(report: Mapping[str, Any]) -> dict[str, Any]:
    """The report without folders of this machine and names of images."""
    found = report["identification"]
    galleries = found and [
        {**one, "per_group": without_names_of_others(one["per_group"])} for one in found["galleries"]
    ]
    training = report["training"]
    known = {"people_in_training": []} if "people_in_training" in training else {}
    return {
        **report,
        "training": training | known,
        "identification": found and {**found, "galleries": galleries},
        "command": without_folders(report["command"]),
        "model": {**report["model"], "name": Path(report["model"]["name"]).name},
        "preparation": {**report["preparation"], "not_detected": []},
    }


def plots_of(report: Mapping[str, Any]) -> dict[str, str]:
    """The page's plots by their names."""
    plots = {}
    one_to_one, one_to_many = report["verification"], report["identification"]
    if one_to_one is not None:
        curves = [(report["model"]["label"], curve_of(one_to_one["roc"]))]
        plots["roc"] = roc_plot("roc", curves, one_to_one["impostor"], "ROC of pairs of templates")
    if one_to_many is not None:
        galleries = list(enumerate(one_to_many["galleries"], start=1))
        plots["cmc"] = cmc_plot(
            "cmc",
            [(f"gallery {number}", one["cmc"]["rank"], one["cmc"]["share"]) for number, one in galleries],
            "CMC of both galleries",
        )
        dets = [(number, one["open_set"]["det"]) for number, one in galleries]
        plots["det"] = det_plot(
            "det",
            [(f"gallery {number}", det["fpir"], det["fnir"]) for number, det in dets],
            max(one["open_set"]["nonmated"] for _, one in galleries),
            "DET curve of both galleries",
        )
    return plots
