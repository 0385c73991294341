"""The report of a measurement of generators: report.html, for people, and report.json, for programs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from sphereface_plus.files import write_page, write_text
from sphereface_plus.pages import data_uri

from ..public import PUBLIC, without_folders
from ..rendering import render
from . import plots
from .neighbours import Neighbours

_SCALE = 2  # a pixel's size on the page


@dataclass
class Shown:
    """What the page shows of one run beside its numbers; images uint8 (H, W, C)."""

    run: int
    """Its number in the report."""
    label: str
    grid: np.ndarray
    over_time: Sequence[tuple[int, np.ndarray]]
    queries: np.ndarray
    """(Q, H, W, C) generated images."""
    nearest: list[tuple[Neighbours, np.ndarray]] = field(default_factory=list)
    """With the real images (Q, K, H, W, C) that are nearest."""


def write(report: Mapping[str, Any], shown: Sequence[Shown], out: Path) -> Path:
    """Writes report.json and report.html into `out`, and both without paths and without real images into
    OUT/public; returns the page's path."""
    drawn = [_pictures(one) | _plots(one, report) for one in shown]
    around = {"intervals": _intervals(report)}
    around |= {kind: _said(report, kind) for kind in ("refused", "marked")}
    without = [{**one, "nearest": []} for one in drawn]
    _write(public(report), without, around, out / PUBLIC)
    return _write(report, drawn, around, out)


def public(report: Mapping[str, Any]) -> dict[str, Any]:
    """The report without folders of this machine."""
    return {
        **report,
        "command": without_folders(report["command"]),
        "reference": {**report["reference"], "name": Path(report["reference"]["name"]).name},
        "runs": [{**run, "name": Path(run["name"]).name} for run in report["runs"]],
    }


def _write(
    report: Mapping[str, Any], drawn: Sequence[dict[str, Any]], around: Mapping[str, Any], out: Path
) -> Path:
    parts = ",\n".join(f"{json.dumps(key)}: {json.dumps(value)}" for key, value in report.items())
    write_text(out / "report.json", "{\n" + parts + "\n}\n")
    page = render("gan.html.j2", report=report, shown=drawn, **around)
    write_page(out / "report.html", page)
    return out / "report.html"


def _pictures(one: Shown) -> dict[str, Any]:
    return {
        "run": one.run,
        "label": one.label,
        "grid": _uri(one.grid),
        "over_time": [{"step": step, "image": _uri(image)} for step, image in one.over_time],
        "nearest": [_nearest(one, number) for number in range(len(one.queries))],
    }


def _nearest(one: Shown, number: int) -> dict[str, Any]:
    """One generated image, and in each space the real ones."""
    spaces = [
        {
            "name": found.space,
            "images": [
                {"image": _uri(image), "distance": float(distance)}
                for image, distance in zip(images[number], found.distances[number], strict=True)
            ],
        }
        for found, images in one.nearest
    ]
    return {"image": _uri(one.queries[number]), "spaces": spaces}


def _uri(image: np.ndarray) -> str:
    """Every pixel as a square, so that a JPEG does not blur small images; grey ones as RGB."""
    image = np.repeat(image, 3, axis=2) if image.shape[2] == 1 else image
    return data_uri(image.repeat(_SCALE, axis=0).repeat(_SCALE, axis=1), quality=88)


def _plots(one: Shown, report: Mapping[str, Any]) -> dict[str, Any]:
    made = plots.of_training(str(one.run), one.label, report["runs"][one.run]["training"])
    return {"plots": [{"caption": caption, "svg": svg} for caption, svg in made]}


def _intervals(report: Mapping[str, Any]) -> dict[str, str]:
    """By extractor, the plot of the runs' Frechet distances."""
    found = {}
    for number, extractor in enumerate(report["extractors"]):
        rows = [
            (run["label"], run["scores"][extractor["name"]]["frechet_distance"]) for run in report["runs"]
        ]
        plot = plots.of_runs(f"frechet{number}", rows, extractor["names"]["frechet_distance"])
        if plot is not None:
            found[extractor["name"]] = plot
    return found


def _said(report: Mapping[str, Any], kind: str) -> dict[str, dict[str, list[str]]]:
    """By extractor, each sentence on a measure that is refused or marked, with the labels of its runs."""
    found: dict[str, dict[str, list[str]]] = {extractor["name"]: {} for extractor in report["extractors"]}
    for run in report["runs"]:
        for name, scores in run["scores"].items():
            for words in scores[kind].values():
                found[name].setdefault(words, []).append(run["label"])
    return found
