"""The page of an identification: report.html, for people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..example_photos import Images, shown
from ..group_words import unsure_words
from ..plots import histograms
from ..rendering import render
from .plots import cmc_plot, det_plot, distractors_plot
from .words import nonmated_words, rank_words, stand_ins_words, title_of

MOST_PEOPLE = 30
"""Rows of people on the page; report.json has them all."""


def page_of(
    report: Mapping[str, Any],
    plots: Mapping[str, str],
    images: Images | None,
) -> str:
    """images: role of a set -> photo key -> crop, for pictures; None for a page without faces."""
    return render(
        "identification.html.j2",
        report=report,
        title=title_of(report),
        plots=plots,
        nonmated_words=nonmated_words(report["results"]["open_set"]),
        stand_ins_words=stand_ins_words(report["results"]["open_set"]),
        unsure_words=unsure_words,
        rank_words=rank_words(report["results"]["open_set"]["rank"]),
        pictures={kind: shown(examples, images) for kind, examples in report["examples"].items()},
        most_people=MOST_PEOPLE,
    )


def plots_of(report: Mapping[str, Any]) -> dict[str, str]:
    """The page's plots by their names; without `distractors` where fewer than two numbers of them are."""
    results, label, searches = report["results"], report["model"]["label"], report["per_search"]
    opened, alone = results["open_set"], results["open_set"]["nonmated_are"] == "mated"
    of_all = zip(searches["probe"], searches["other_score"], searches["mate_score"], strict=True)
    others = {probe: score for probe, score, mate in of_all if score is not None and (alone or mate is None)}
    mates = [score for score in searches["mate_score"] if score is not None]
    plots = {
        "cmc": cmc_plot(
            "cmc",
            [(label, results["cmc"]["rank"], results["cmc"]["share"])],
            f"CMC of {label}: {100 * results['ranks'][0]['share']:.2f} % at rank 1",
        ),
        "det": det_plot(
            "det",
            [(label, opened["det"]["fpir"], opened["det"]["fnir"])],
            opened["nonmated"],
            f"DET curve of {label}",
        ),
        "scores": histograms(
            "scores",
            [("highest without a mate", np.array(list(others.values()))), ("mate", np.array(mates))],
            ("threshold", results["reference"]["threshold_cosine"]),
            "the searches",
            "Histograms of the mates' scores and of the highest scores of searches without a mate",
        ),
    }
    rows = [row for row in results["by_distractors"] if row["distractors"]]
    if len(rows) > 1:
        shares = [row["mean"] for row in rows]
        plots["distractors"] = distractors_plot(
            "distractors",
            [(label, [row["distractors"] for row in rows], shares)],
            f"Rank-1 of {label} by the number of distractors, down to {100 * min(shares):.2f} %",
            [([row["lowest"] for row in rows], [row["highest"] for row in rows])],
        )
    return plots
