"""The page of a MegaFace measurement: report.html, for people, and report.json, for programs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sphereface_plus.files import write_page, write_text

from ..example_photos import Images, shown
from ..group_words import unsure_words
from ..identify.page import MOST_PEOPLE
from ..identify.plots import Curve, cmc_plot, distractors_plot
from ..plots import curve_of, roc_plot
from ..public import PUBLIC, without_folders, without_names_of_others
from ..rendering import render
from ..threshold_words import no_false_accept_words, rate_words
from . import same_words
from .people import uneven_words, without_mate
from .sets import num_searched


def write(report: Mapping[str, Any], out: Path, images: Images | None) -> Path:
    """Writes report.json and report.html into `out`, and both without faces, names and paths into OUT/public.

    images: those of `probes` and `distractors`; None for a page without faces. Returns the page's path.
    """
    plots = plots_of(report["results"])
    _write(public(report), plots, out / PUBLIC, None)
    return _write(report, plots, out, images)


def _write(report: Mapping[str, Any], plots: Mapping[str, str], out: Path, images: Images | None) -> Path:
    parts = ",\n".join(f"{json.dumps(key)}: {json.dumps(value)}" for key, value in report.items())
    write_text(out / "report.json", "{\n" + parts + "\n}\n")
    page = render(
        "megaface.html.j2",
        report=report,
        plots=plots,
        pictures={kind: shown(examples, images) for kind, examples in report["examples"].items()},
        most_people=MOST_PEOPLE,
        without_mate=without_mate,
        uneven_words=uneven_words,
        unsure_words=unsure_words,
        same_words=same_words,
        rate_words=rate_words,
        no_false_accept_words=no_false_accept_words,
    )
    write_page(out / "report.html", page)
    return out / "report.html"


def public(report: Mapping[str, Any]) -> dict[str, Any]:
    """The report without what is private: names of photos, and folders of this machine."""

    def without_names(side: Mapping[str, Any]) -> dict[str, Any]:
        noise = side["noise"] and side["noise"] | {"file": Path(side["noise"]["file"]).name}
        return {
            **side,
            "noise": noise,
            "missing_first": [],
            "preparation": {**side["preparation"], "not_detected": []},
        }

    training = report["training"]
    known = {"people_in_training": []} if "people_in_training" in training else {}
    number_of = {name: f"{number:04d}" for number, name in enumerate(report["people"], start=1)}
    return {
        **report,
        "command": without_folders(report["command"]),
        "model": {**report["model"], "name": Path(report["model"]["name"]).name},
        "probes": without_names(report["probes"]),
        "distractors": without_names(report["distractors"]),
        "training": training | known,
        "same_image": {kind: [] for kind in report["same_image"]},
        "same_probes": {kind: [] for kind in report["same_probes"]},
        "examples": {kind: [] for kind in report["examples"]},
        "people": list(number_of.values()),
        "results": {
            kind: {
                **numbers,
                "per_identity": [
                    {**row, "person": number_of[row["person"]]} for row in numbers["per_identity"]
                ],
                "per_group": without_names_of_others(numbers["per_group"]),
            }
            for kind, numbers in report["results"].items()
        },
    }


def plots_of(results: Mapping[str, Any]) -> dict[str, str]:
    """The page's plots by their names, of raw and cleaned numbers in one."""
    plots = {}
    for rank in (1, 10):
        curves: list[Curve] = []
        ranges = []
        for kind, numbers in results.items():
            of_rank = [_of_rank(size, rank) for size in numbers["sizes"]]
            curves.append((kind, list(map(num_searched, numbers["sizes"])), [one["rate"] for one in of_rank]))
            per_set = [one["per_set"] for one in of_rank]
            ranges.append(([min(rates) for rates in per_set], [max(rates) for rates in per_set]))
        if len(curves[0][1]) > 1:
            plots[f"rank_{rank}"] = distractors_plot(
                f"rank_{rank}", curves, f"Rank-{rank} by the number of distractors", ranges, f"rank-{rank}"
            )
    plots["cmc"] = cmc_plot(
        "cmc",
        [(kind, numbers["cmc"]["rank"], numbers["cmc"]["rate"]) for kind, numbers in results.items()],
        "CMC with all distractors",
    )
    whole = {kind: numbers["verification"][-1] for kind, numbers in results.items()}
    plots["roc"] = roc_plot(
        "roc",
        [(kind, curve_of(of_kind["roc"])) for kind, of_kind in whole.items()],
        whole["raw"]["impostor"],
        "ROC of verification, pairs of a probe and a distractor as impostors",
    )
    return plots


def _of_rank(size: Mapping[str, Any], rank: int) -> Mapping[str, Any]:
    return next(one for one in size["ranks"] if one["rank"] == rank)
