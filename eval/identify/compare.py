"""Several models on the same searches: each against the first, search by search, people as they depend."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from sphereface_plus.files import write_page, write_text

from ..compare import markdown, model_labels
from ..differences import cells, check_same, of_searches
from ..rendering import render
from ..report_files import ReportError
from ..resolutions import UNSURE
from ..search_statistics import missed
from ..statistics import of_all
from .fnir_difference import Scores, fnir_difference
from .plots import cmc_plot, det_plot, distractors_plot
from .words import rank_words, title_of

TEST = (
    "Difference: rank-1, or FNIR, minus that of the first model, on the same searches; 95 % interval and p "
    "(two-sided, Student's t) by person, as searches of one person succeed and fail together. Of FNIR each "
    "model has its own threshold, and the interval and p hold the errors of both. Each FPIR is a test of its "
    "own."
)


def compare(reports: Sequence[Mapping[str, Any]], names: Sequence[str]) -> dict[str, Any]:
    """The comparison as plain data.

    reports: the contents of report.json files of `identify`, the first of which is the base; names: where
    they lie. Raises ReportError where two are not of the same searches.
    """
    base = reports[0]
    for report, name in zip(reports[1:], names[1:], strict=True):
        if _mates(report) != _mates(base):
            raise ReportError(
                f"{name} has searches with --mates {_mates(report)}, {names[0]} with --mates {_mates(base)}; "
                "measure both with one"
            )
    check_same(
        reports,
        names,
        {
            "probes": lambda each: (each["per_search"]["probe"], each["per_search"]["person"]),
            "numbers of templates and distractors": _entries,
            "photos in the gallery or among the distractors": _searched_among,
            "searches with a mate": lambda each: _mated(each).tolist(),
        },
    )
    for report, name in zip(reports[1:], names[1:], strict=True):
        counted, wanted = rank_words(_rank(report)), rank_words(_rank(base))
        if counted != wanted:
            raise ReportError(
                f"{name} counts {counted} as found in its FNIR, {names[0]} {wanted}; measure both with one "
                "--rank"
            )
    fpir = base["results"]["reference"]["fpir"]
    people = np.unique(base["per_search"]["person"], return_inverse=True)[1]
    mated = _mated(base)
    found = [_scores(report).above < 1 for report in reports]
    models = []
    points = of_all([report["results"]["open_set"]["points"] for report in reports], "fpir")
    for place, (report, label) in enumerate(zip(reports, model_labels(reports, names), strict=True)):
        models.append(
            {
                "label": label,
                "report": names[place],
                "sha256": report["model"]["sha256"],
                "template": report["template"]["kind"],
                "flip": report["flip"],
                "ranks": report["results"]["ranks"],
                "points": [
                    {**at, "against_first": _fnir(base, report, people, at["fpir"]) if place else None}
                    for at in points[place]
                ],
                "rank1_against_first": of_searches(found[0], found[place], people[mated]) if place else None,
            }
        )
    return {
        "format": 1,
        "kind": "identification",
        "title": title_of(base),
        "searches": {"mated": int(mated.sum()), "nonmated": int((~mated).sum())},
        "enrolled": base["results"]["enrolled"],
        "distractors": base["results"]["distractors"],
        "fpir": fpir,
        "rank": _rank(base),
        "mates": _mates(base),
        "test": TEST,
        "models": models,
    }


def _mated(report: Mapping[str, Any]) -> np.ndarray:
    return np.array([above is not None for above in report["per_search"]["above"]])


def _entries(report: Mapping[str, Any]) -> tuple[int, int]:
    return report["results"]["enrolled"], report["results"]["distractors"]


def _searched_among(report: Mapping[str, Any]) -> list[tuple[str | None, str | None]]:
    """Role and hash of the photos' keys of each set but the probes; older reports have no hash."""
    return [(each.get("role"), each.get("sha256")) for each in report["sets"] if each.get("role") != "probes"]


def _point(report: Mapping[str, Any], fpir: float) -> Mapping[str, Any]:
    return next(point for point in report["results"]["open_set"]["points"] if point["fpir"] == fpir)


def _rank(report: Mapping[str, Any]) -> int | None:
    return report["results"]["open_set"]["rank"]


def _mates(report: Mapping[str, Any]) -> str:
    return report["mates"]["kind"] if "mates" in report else "best"  # older reports


def _unknown(report: Mapping[str, Any]) -> np.ndarray:
    """Which searches stand for unknown people, (Q,): those without a mate; if each has one, the first of each
    probe."""
    mated = _mated(report)
    if not mated.all():
        return ~mated
    first = np.unique(report["per_search"]["probe"], return_index=True)[1]
    return np.isin(np.arange(len(mated)), first)


def _scores(report: Mapping[str, Any]) -> Scores:
    mated, searches = _mated(report), report["per_search"]
    above = np.array([count for count in searches["above"] if count is not None])
    scores = np.array([score for score in searches["mate_score"] if score is not None])
    assert len(above) == len(scores) == mated.sum()
    highest = np.array([-np.inf if score is None else score for score in searches["other_score"]])
    return Scores(scores, above, highest[_unknown(report)])


def _fnir(
    base: Mapping[str, Any], report: Mapping[str, Any], people: np.ndarray, fpir: float
) -> dict[str, Any]:
    """The difference of FNIR at an FPIR that both have; people (Q,): numbers."""
    rank = _rank(base)
    first, second = _scores(base), _scores(report)
    found = fnir_difference(first, second, people[_mated(base)], people[_unknown(base)], fpir, rank)
    lost = [
        missed(of.mate_score, of.above, _point(each, fpir)["threshold_cosine"], rank)
        for of, each in ((first, base), (second, report))
    ]
    return {
        **asdict(found),
        "only_base": int(np.sum(lost[0] & ~lost[1])),
        "only_other": int(np.sum(lost[1] & ~lost[0])),
    }


def table(comparison: Mapping[str, Any]) -> str:
    """The comparison as Markdown tables, which read well in a terminal too: rank-1 with FNIR at the FPIR that
    groups are compared at, then FNIR at each other FPIR."""
    models, differs = comparison["models"], ("difference", "95 % interval", "p")
    labels = [["model"], *([model["label"]] for model in models)]
    first = [["rank-1 %", *differs]]
    for model in models:
        first.append([f"{100 * model['ranks'][0]['share']:.2f}", *cells(model["rank1_against_first"])])
    tables = [labels]
    for place, at in enumerate(models[0]["points"]):
        of_fpir = [[f"FNIR % at {at['fpir']:g}", *differs]]
        for model in models:
            point = model["points"][place]
            share = f"{100 * point['fnir']:.2f}{UNSURE[point['resolution']]}"
            of_fpir.append([share, *cells(point["against_first"])])
        if at["fpir"] == comparison["fpir"]:
            tables[0] = _beside(labels, first, of_fpir)
        else:
            tables.append(_beside(labels, of_fpir))
    return "\n\n".join(map(markdown, tables))


def _beside(*tables: Sequence[Sequence[str]]) -> list[list[str]]:
    return [[cell for row in rows for cell in row] for rows in zip(*tables, strict=True)]


def write(comparison: Mapping[str, Any], reports: Sequence[Mapping[str, Any]], out: Path) -> Path:
    """Writes compare.json and compare.html into `out` and returns the page's path."""
    out.mkdir(parents=True, exist_ok=True)
    write_text(out / "compare.json", json.dumps(comparison, indent=1) + "\n")
    labels = [model["label"] for model in comparison["models"]]
    both = list(zip(labels, (report["results"] for report in reports), strict=True))
    names = ", ".join(labels)
    plots = {
        "cmc": cmc_plot(
            "cmc",
            [(label, of["cmc"]["rank"], of["cmc"]["share"]) for label, of in both],
            f"CMC of {names}",
        ),
        "det": det_plot(
            "det",
            [(label, of["open_set"]["det"]["fpir"], of["open_set"]["det"]["fnir"]) for label, of in both],
            reports[0]["results"]["open_set"]["nonmated"],
            f"DET curves of {names}",
        ),
    }
    some = [[row for row in of["by_distractors"] if row["distractors"]] for _, of in both]
    if len(some[0]) > 1:
        curves = [
            (label, [row["distractors"] for row in rows], [row["mean"] for row in rows])
            for label, rows in zip(labels, some, strict=True)
        ]
        plots["distractors"] = distractors_plot("distractors", curves, f"Rank-1 of {names}")
    page = render(
        "identification_compare.html.j2",
        comparison=comparison,
        plots=plots,
        cells=cells,
        rank_words=rank_words(comparison["rank"]),
    )
    write_page(out / "compare.html", page)
    return out / "compare.html"
