"""Several models on one IJB-B or IJB-C: each against the first, in every measure, subjects as they depend."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from sphereface_plus.files import write_page, write_text

from ..compare import markdown, model_labels
from ..differences import cells, check_same, of_counts, of_rates, of_tars
from ..identify.plots import cmc_plot, det_plot
from ..identify.words import rank_words
from ..plots import curve_of, roc_plot
from ..rendering import render
from ..resolutions import least_sure
from ..statistics import places_of_all
from ..threshold_differences import AtThreshold, parts_of_counts
from ..threshold_words import rate_words
from .galleries import mean_with_interval

TEST = (
    "Difference: the measure minus that of the first model, on the same pairs or searches; 95 % interval and "
    "p (two-sided, Student's t) by subject, as those of one subject succeed and fail together. Of TAR and "
    "FNIR each model has its own threshold, and the interval and p hold the errors of both. A mean of both "
    "galleries has an interval from the mean of the galleries' low ends to that of their high ends, and no p."
)
LISTS = ("list of faces", "list of pairs", "first gallery", "second gallery", "list of probes")


def compare(reports: Sequence[Mapping[str, Any]], names: Sequence[str]) -> dict[str, Any]:
    """The comparison as plain data.

    reports: the contents of report.json files of `ijb`, the first of which is the base; names: where they
    lie. Raises ReportError where two are not of the same lists.
    """
    check_same(
        reports,
        names,
        {what: lambda each, what=what: _sha256(each, what) for what in LISTS}
        | {"ranks that count as found in FNIR": _rank},
    )
    base = reports[0]
    measures: list[dict[str, Any]] = []
    if base["verification"] is not None:
        measures += _of_pairs([report["verification"] for report in reports])
    if base["identification"] is not None:
        found = [report["identification"]["galleries"] for report in reports]
        galleries = [_of_gallery(list(each)) for each in zip(*found, strict=True)]
        measures += [_mean(list(each)) for each in zip(*galleries, strict=True)]
        measures += [measure for of_gallery in galleries for measure in of_gallery]
    return {
        "format": 1,
        "kind": "comparison of ijb",
        "title": base["title"],
        "template_count": base["template_count"],
        "test": TEST,
        "measures": measures,
        "models": [
            {
                "label": label,
                "report": name,
                "sha256": report["model"]["sha256"],
                "flip": report["model"]["flip"],
                "templates": f"{report['templates']['kind']}, weight {report['templates']['weight']}",
            }
            for report, name, label in zip(reports, names, model_labels(reports, names), strict=True)
        ],
    }


def _sha256(report: Mapping[str, Any], what: str) -> str | None:
    return next((file["sha256"] for file in report["files"] if file["is"] == what), None)


def _rank(report: Mapping[str, Any]) -> str | None:
    found = report["identification"]
    return None if found is None else rank_words(found["galleries"][0]["open_set"]["rank"])


def _of_pairs(all_numbers: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """TAR at each FAR that all have."""
    measures = []
    for places in places_of_all([numbers["tar_at_far"] for numbers in all_numbers], "far"):
        each = [
            (numbers["tar_at_far"][place], numbers["by_subject"], place)
            for numbers, place in zip(all_numbers, places, strict=True)
        ]
        known = all(counts is not None for _, counts, _ in each)
        measures.append(
            {
                "what": f"TAR at FAR {rate_words(each[0][0]['far'])}",
                "resolutions": [point["resolution"] for point, _, _ in each],
                "values": [point["tar"] for point, _, _ in each],
                "against_first": [None, *(of_tars((each[0], one)) if known else None for one in each[1:])],
            }
        )
    return measures


def _of_gallery(all_numbers: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Rank-1, and FNIR at each FPIR that all have."""
    first, counts = all_numbers[0], [numbers["by_subject"] for numbers in all_numbers]
    base = counts[0]
    subjects = np.union1d(base["subject"], base["unknown"])
    searches = _of_all(subjects, base["subject"], base["searches"])
    measures = [
        {
            "what": f"Rank-1, {first['name']}",
            "resolutions": ["resolved"] * len(all_numbers),
            "values": [numbers["ranks"][0]["share"] for numbers in all_numbers],
            "against_first": [
                of_counts(base["first"], one["first"], one["searches"]) if number else None
                for number, one in enumerate(counts)
            ],
        }
    ]
    points = [numbers["open_set"]["points"] for numbers in all_numbers]
    for places in places_of_all(points, "fpir"):
        each = [of[place] for of, place in zip(points, places, strict=True)]
        before, *others = (_fnir(subjects, *one) for one in zip(each, counts, places, strict=True))
        measures.append(
            {
                "what": f"FNIR at FPIR {each[0]['fpir']:g}, {first['name']}",
                "resolutions": [at["resolution"] for at in each],
                "values": [at["fnir"] for at in each],
                "against_first": [None, *(of_rates(before, one, searches, errors=True) for one in others)],
            }
        )
    return measures


def _fnir(
    subjects: np.ndarray, point: Mapping[str, Any], counts: Mapping[str, Any], place: int
) -> AtThreshold:
    """subjects (S,): all; counts: of each, `place` the point's among them."""
    returned, without = (
        _of_all(subjects, counts["unknown"], values)
        for values in (counts["returned"][place], counts["searches_of_unknown"])
    )
    return AtThreshold(
        _of_all(subjects, counts["subject"], counts["missed"][place]),
        tuple(point["fnir_at_threshold_interval"]),
        parts_of_counts(returned, without),
    )


def _of_all(subjects: np.ndarray, some: Sequence[int], counts: Sequence[int]) -> np.ndarray:
    """Counts (S,) of all subjects, 0 where they are not among some."""
    found = np.zeros(len(subjects))
    found[np.searchsorted(subjects, some)] = counts
    return found


def _mean(both: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """A measure of two galleries as their mean."""
    differences = []
    for one, other in zip(*(each["against_first"] for each in both), strict=True):
        if one is None:
            differences.append(None)
            continue
        parts = [(each["difference"], tuple(each["interval"])) for each in (one, other)]
        difference, interval = mean_with_interval(parts)
        better = {name: one[name] + other[name] for name in ("base_better", "other_better")}
        differences.append({"difference": difference, "interval": interval, "p_value": None, **better})
    return {
        "what": both[0]["what"].rpartition(", ")[0] + ", mean of both galleries",
        "resolutions": [least_sure(of) for of in zip(*(each["resolutions"] for each in both), strict=True)],
        "values": [sum(values) / 2 for values in zip(*(each["values"] for each in both), strict=True)],
        "against_first": differences,
    }


def shown(comparison: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """What the terminal and the page's first tables show: TAR at the lowest FAR that is resolved of all
    models, and the means of both galleries, as far as they are."""
    resolved = [each for each in comparison["measures"] if least_sure(each["resolutions"]) == "resolved"]
    tars = [measure for measure in resolved if measure["what"].startswith("TAR")][:1]
    return tars + [measure for measure in resolved if measure["what"].endswith("mean of both galleries")]


def table(comparison: Mapping[str, Any]) -> str:
    """The comparison as a Markdown table."""
    rows = [["measure", "model", "%", "difference", "95 % interval", "p"]]
    for measure in shown(comparison):
        for number, model in enumerate(comparison["models"]):
            value = f"{100 * measure['values'][number]:.2f}"
            rows.append([measure["what"], model["label"], value, *cells(measure["against_first"][number])])
    return markdown(rows)


def write(comparison: Mapping[str, Any], reports: Sequence[Mapping[str, Any]], out: Path) -> Path:
    """Writes compare.json and compare.html into `out` and returns the page's path."""
    out.mkdir(parents=True, exist_ok=True)
    write_text(out / "compare.json", json.dumps(comparison, indent=1) + "\n")
    labels = [model["label"] for model in comparison["models"]]
    page = render(
        "ijb_compare.html.j2",
        comparison=comparison,
        cells=cells,
        shown=shown(comparison),
        plots=_plots(reports, labels),
    )
    write_page(out / "compare.html", page)
    return out / "compare.html"


def _plots(reports: Sequence[Mapping[str, Any]], labels: Sequence[str]) -> list[list[dict[str, str]]]:
    """Rows of the page, `svg` and `caption` each: the ROC of pairs; CMC and DET curves of each gallery. All
    models are in one."""
    plots, names = [], ", ".join(labels)
    if reports[0]["verification"] is not None:
        numbers = [report["verification"] for report in reports]
        curves = [(label, curve_of(one["roc"])) for label, one in zip(labels, numbers, strict=True)]
        svg = roc_plot("roc", curves, numbers[0]["impostor"], f"ROC curves of {names}")
        plots.append([{"svg": svg, "caption": "ROC of pairs of templates."}])
    galleries = [] if reports[0]["identification"] is None else (0, 1)
    for place in galleries:
        numbers = [report["identification"]["galleries"][place] for report in reports]
        both = list(zip(labels, numbers, strict=True))
        cmcs = [(label, one["cmc"]["rank"], one["cmc"]["share"]) for label, one in both]
        svg = cmc_plot(f"cmc_{place}", cmcs, f"CMC of {names}, gallery {place + 1}")
        row = [{"svg": svg, "caption": f"CMC, gallery {place + 1}."}]
        dets = [
            (label, one["open_set"]["det"]["fpir"], one["open_set"]["det"]["fnir"]) for label, one in both
        ]
        nonmated = numbers[0]["open_set"]["nonmated"]
        svg = det_plot(f"det_{place}", dets, nonmated, f"DET curves of {names}, gallery {place + 1}")
        plots.append([*row, {"svg": svg, "caption": f"DET curves, gallery {place + 1}."}])
    return plots
