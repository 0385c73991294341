"""Several models on one MegaFace: each against the first, at each number of distractors and at each FAR."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from sphereface_plus.files import write_page, write_text

from ..compare import markdown, model_labels
from ..differences import cells, check_same, of_counts, of_tars
from ..identify.plots import distractors_plot
from ..plots import curve_of, roc_plot
from ..rendering import render
from ..resolutions import UNSURE, least_sure
from ..statistics import places_of_all
from ..threshold_words import rate_words
from .sets import num_searched

TEST = (
    "Difference: rank-1, the mean over the sets, or TAR, minus that of the first model, on the same searches "
    "or pairs (a TAR is that of the first set of distractors); "
    "95 % interval and p (two-sided, Student's t) by person, as searches of one person succeed and "
    "fail together. Of TAR each model has its own threshold, and the interval and p hold the errors of both: "
    "those of people as far as both models have them in common, those of distractors as if each model had "
    "its own, which makes the interval rather too wide."
)


def compare(reports: Sequence[Mapping[str, Any]], names: Sequence[str]) -> dict[str, Any]:
    """The comparison as plain data.

    reports: the contents of report.json files of `megaface`, the first of which is the base; names: where
    they lie. Raises ReportError where two are not of the same probes, distractors and noise lists.
    """
    check_same(
        reports,
        names,
        {
            "probes, or people of the probes": lambda each: each["probes"]["sha256"],
            "distractors, or sets of them": lambda each: each["distractors"]["sha256"],
            "noise lists of the probes": lambda each: _noise(each, "probes"),
            "noise lists of the distractors": lambda each: _noise(each, "distractors"),
        },
    )
    base, kinds = reports[0], list(reports[0]["results"])
    labels = model_labels(reports, names)
    results = {kind: _against_first([report["results"][kind] for report in reports]) for kind in kinds}
    return {
        "format": 1,
        "kind": "comparison of megaface",
        "title": base["title"],
        "searches": {
            kind: {name: base["results"][kind][name] for name in ("searches", "probes", "people")}
            for kind in kinds
        },
        "test": TEST,
        # A TAR's interval holds its threshold's error, which reports have of the first set alone.
        "tar_is_of": {kind: tar_is_of([report["results"][kind] for report in reports]) for kind in kinds},
        "models": [
            {
                "label": label,
                "report": name,
                "sha256": report["model"]["sha256"],
                "flip": report["flip"],
                "results": {kind: results[kind][number] for kind in kinds},
            }
            for number, (report, name, label) in enumerate(zip(reports, names, labels, strict=True))
        ],
    }


def tar_is_of(all_numbers: Sequence[Mapping[str, Any]]) -> str:
    """What stands behind TAR in a heading, where it is not that of all sets."""
    sets_differ = any(at["deviation"] is not None for of in all_numbers for at in of["tar_over_sets"])
    return ", first set" if sets_differ else ""


def _noise(report: Mapping[str, Any], side: str) -> str | None:
    noise = report[side]["noise"]
    return None if noise is None else noise["sha256"]


def _against_first(all_numbers: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Of each model rank-1 at each size and TAR at each FAR that all have, with the differences to the
    first."""
    people = [numbers["by_person"] for numbers in all_numbers]
    first = [np.mean(each["first"], axis=0) for each in people]  # over sets: (sizes, people)
    points = [numbers["verification"][-1]["tar_at_far"] for numbers in all_numbers]
    places = places_of_all(points, "far")

    def tar(number: int, place: tuple[int, ...]) -> dict[str, Any]:
        both = [(points[n][place[n]], people[n], place[n]) for n in (0, number)]
        shown = {name: both[1][0][name] for name in ("far", "tar", "resolution")}
        return shown | {"against_first": of_tars(both) if number else None}

    def rank_1(number: int, column: int, size: Mapping[str, Any]) -> dict[str, Any]:
        found = of_counts(first[0][column], first[number][column], people[0]["searches"]) if number else None
        return {"size": size["size"], "rate": size["ranks"][0]["rate"], "against_first": found}

    return [
        {
            "rank_1": [rank_1(number, column, size) for column, size in enumerate(numbers["sizes"])],
            "tar_at_far": [tar(number, place) for place in places],
        }
        for number, numbers in enumerate(all_numbers)
    ]


def shown_far(comparison: Mapping[str, Any], kind: str) -> int:
    """The place of the lowest FAR that is resolved of all models, else of the highest: their pairs are
    the same, but of one those that are accepted falsely may depend more."""
    points = [model["results"][kind]["tar_at_far"] for model in comparison["models"]]
    at_each = [least_sure(at["resolution"] for at in of_models) for of_models in zip(*points, strict=True)]
    return at_each.index("resolved") if "resolved" in at_each else len(at_each) - 1


def table(comparison: Mapping[str, Any]) -> str:
    """The comparison as Markdown tables, one of raw and one of cleaned numbers."""
    tables = []
    for kind in comparison["searches"]:
        far = shown_far(comparison, kind)
        last = comparison["models"][0]["results"][kind]["rank_1"][-1]["size"]
        at, differs = comparison["models"][0]["results"][kind]["tar_at_far"][far]["far"], "difference"
        header = [f"{kind}: model", f"rank-1 % among {last:,}", differs, "95 % interval", "p"]
        rows = [
            [
                *header,
                f"TAR % at FAR {rate_words(at)}{comparison['tar_is_of'][kind]}",
                differs,
                "95 % interval",
                "p",
            ]
        ]
        for model in comparison["models"]:
            rank_1, tar = model["results"][kind]["rank_1"][-1], model["results"][kind]["tar_at_far"][far]
            rows.append(
                [
                    *(model["label"], f"{100 * rank_1['rate']:.2f}", *cells(rank_1["against_first"])),
                    *(f"{100 * tar['tar']:.2f}{UNSURE[tar['resolution']]}", *cells(tar["against_first"])),
                ]
            )
        tables.append(markdown(rows))
    return "\n\n".join(tables)


def write(comparison: Mapping[str, Any], reports: Sequence[Mapping[str, Any]], out: Path) -> Path:
    """Writes compare.json and compare.html into `out` and returns the page's path."""
    out.mkdir(parents=True, exist_ok=True)
    write_text(out / "compare.json", json.dumps(comparison, indent=1) + "\n")
    labels = [model["label"] for model in comparison["models"]]
    page = render(
        "megaface_compare.html.j2",
        comparison=comparison,
        cells=cells,
        rate_words=rate_words,
        plots={kind: _plots(kind, reports, labels) for kind in comparison["searches"]},
        shown_far={kind: shown_far(comparison, kind) for kind in comparison["searches"]},
    )
    write_page(out / "compare.html", page)
    return out / "compare.html"


def _plots(
    kind: str, reports: Sequence[Mapping[str, Any]], labels: Sequence[str]
) -> dict[str, dict[str, str]]:
    """Figures 9 and 10, of all models in one: `svg` and `caption`. The former only where there are several
    sizes."""
    plots, all_numbers = {}, [report["results"][kind] for report in reports]
    names = ", ".join(labels)
    sizes = list(map(num_searched, all_numbers[0]["sizes"]))
    for rank in (1, 10) if len(sizes) > 1 else ():
        curves = [
            (label, sizes, [_rate(size, rank) for size in numbers["sizes"]])
            for label, numbers in zip(labels, all_numbers, strict=True)
        ]
        name = f"{kind}_rank_{rank}"
        plots[name] = {
            "svg": distractors_plot(name, curves, f"Rank-{rank} of {names}", label=f"rank-{rank}"),
            "caption": f"Rank-{rank} by the number of distractors, means of the sets (Figure 9).",
        }
    for of_size in zip(*(numbers["verification"] for numbers in all_numbers), strict=True):
        name, size = f"{kind}_roc_{of_size[0]['size']}", of_size[0]["size"]
        curves = [(label, curve_of(one["roc"])) for label, one in zip(labels, of_size, strict=True)]
        plots[name] = {
            "svg": roc_plot(name, curves, of_size[0]["impostor"], f"ROC curves of {names}"),
            "caption": f"ROC with {size:,} distractors of the first set (Figure 10).",
        }
    return plots


def _rate(size: Mapping[str, Any], rank: int) -> float:
    return next(one["rate"] for one in size["ranks"] if one["rank"] == rank)
