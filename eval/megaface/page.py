"""The page of a MegaFace measurement: report.html, for people, and report.json, for programs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from sphereface_plus.data.formats.packs import CropSource
from sphereface_plus.files import write_page, write_text

from ..identify.plots import Curve, cmc_plot, distractors_plot
from ..plots import roc_plot
from ..public import PUBLIC, without_folders
from ..report import photo_name, render, thumbnail
from ..statistics import Roc

Pictures = Mapping[str, Mapping[str, CropSource] | None]
"""`probes`, `distractors` -> photo key -> crop."""


def write(report: Mapping[str, Any], out: Path, pictures: Pictures | None) -> Path:
    """Writes report.json and report.html into `out`, and both without faces, names and paths into OUT/public.

    pictures: None for a page without faces. Returns the page's path.
    """
    _write(public(report), out / PUBLIC, None)
    return _write(report, out, pictures)


def _write(report: Mapping[str, Any], out: Path, pictures: Pictures | None) -> Path:
    parts = ",\n".join(f"{json.dumps(key)}: {json.dumps(value)}" for key, value in report.items())
    write_text(out / "report.json", "{\n" + parts + "\n}\n")
    page = render(
        "megaface.html.j2",
        report=report,
        plots=plots_of(report["results"]),
        hardest=[_shown(search, pictures or {}) for search in report["hardest"]],
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

    return {
        **report,
        "command": without_folders(report["command"]),
        "model": {**report["model"], "name": Path(report["model"]["name"]).name},
        "probes": without_names(report["probes"]),
        "distractors": without_names(report["distractors"]),
        "same_image": [],
        "hardest": [],
    }


def plots_of(results: Mapping[str, Any]) -> dict[str, str]:
    """The page's plots by their names, of raw and cleaned numbers in one."""
    plots = {}
    for rank in (1, 10):
        curves: list[Curve] = []
        ranges = []
        for kind, numbers in results.items():
            of_rank = [_of_rank(size, rank) for size in numbers["sizes"]]
            curves.append(
                (kind, [size["size"] for size in numbers["sizes"]], [one["rate"] for one in of_rank])
            )
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
        [(kind, _curve(of_kind["roc"])) for kind, of_kind in whole.items()],
        whole["raw"]["impostor"],
        "ROC of verification, pairs of a probe and a distractor as impostors",
    )
    return plots


def _of_rank(size: Mapping[str, Any], rank: int) -> Mapping[str, Any]:
    return next(one for one in size["ranks"] if one["rank"] == rank)


def _curve(roc: Mapping[str, Any]) -> Roc:
    far, tar = np.array(roc["far"]), np.array(roc["tar"])
    return Roc(np.full(len(far), np.nan), far, tar)


def _shown(search: Mapping[str, Any], pictures: Pictures) -> dict[str, Any]:
    def photo(key: str, side: str, score: float | None, kind: str) -> dict[str, Any]:
        return {
            "name": photo_name(key),
            "score": score,
            "is": kind,
            "thumbnail": thumbnail(key, pictures.get(side)),
        }

    photos = [photo(search["probe"], "probes", None, "probe")]
    photos.append(photo(search["mate"], "probes", search["score"], "mate"))
    photos += [photo(near["photo"], "distractors", near["score"], "distractor") for near in search["nearest"]]
    return {"photos": photos, "above": search["above"]}
