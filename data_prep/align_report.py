"""What a run says about itself: a summary for its caller, report.json beside the crops."""

from __future__ import annotations

import json
import platform
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import cv2
import numpy
import PIL
import torch

from sphereface_plus.data.formats.manifest import mixed_warps
from sphereface_plus.files import write_page
from sphereface_plus.words import counted

from .contact_sheet import CONTACT_SHEET
from .doubts import Doubts, record, sentences
from .journal import Done
from .layouts import Photos
from .plugins import advice

REPORT = "report.json"


@dataclass(frozen=True)
class Summary:
    """What a folder of crops holds after a run."""

    out: Path
    num_photos: int
    num_crops: int
    num_identities: int
    """With at least one crop."""
    methods: dict[str, int]
    """Crops by how their landmarks were found: detected, given, relaxed, centre."""
    problems: dict[str, int]
    """Photos without a crop, by reason."""
    ignored: dict[str, int]
    """What lay among the photos and is none."""
    lost: dict[str, str]
    """Who has no crop, and why."""
    notes: list[str]
    """What may be meant in another way, in a sentence each."""
    doubts: Doubts
    """What to look at: several faces in a photo, unsure ones, one face under several people."""
    num_before: int
    """Photos that an earlier run had done."""
    seconds: float
    workers: int


def summarise(
    out: Path,
    done: list[Done],
    found: Photos,
    doubts: Doubts,
    *,
    num_before: int,
    seconds: float,
    workers: int,
) -> Summary:
    """The summary of what is done."""
    problems = Counter(photo.problem for photo in done if photo.problem)
    packages = [said for problem, count in problems.items() if (said := advice(problem, count))]
    rows = [crop.row for photo in done for crop in photo.crops]
    return Summary(
        out=out,
        num_photos=len(done),
        num_crops=len(rows),
        num_identities=len({row.identity for row in rows}),
        methods=dict(Counter(row.method for row in rows).most_common()),
        problems=dict(problems.most_common()),
        ignored=found.ignored,
        lost=dict(sorted({**found.lost, **_without_any_crop(done)}.items())),
        notes=[*found.notes, *packages, *mixed_warps(Counter(row.warp for row in rows))],
        doubts=doubts,
        num_before=num_before,
        seconds=seconds,
        workers=workers,
    )


def write_report(
    summary: Summary, done: list[Done], settings: dict[str, Any], with_landmarks: Iterable[str] | None
) -> None:
    """Writes report.json, whole or not at all. with_landmarks: photos that a landmarks file names."""
    num_new = summary.num_photos - summary.num_before
    report = {
        "settings": settings,
        "num_photos": summary.num_photos,
        "num_crops": summary.num_crops,
        "num_identities": summary.num_identities,
        "methods": summary.methods,
        "problems": summary.problems,
        "warps": dict(Counter(crop.row.warp for photo in done for crop in photo.crops).most_common()),
        "ignored": summary.ignored,
        "lost_identities": summary.lost,
        "notes": summary.notes,
        "doubts": record(summary.doubts),
        "unused_landmarks": len(set(with_landmarks or ()) - {photo.source for photo in done}),
        "without_crop": [
            {
                "source": photo.source,
                "identity": photo.identity,
                "problem": photo.problem,
                "detail": photo.detail,
            }
            for photo in done
            if photo.problem
        ],
        "identities": _per_identity(done),
        "versions": {
            "python": platform.python_version(),
            "torch": torch.__version__,
            "numpy": numpy.__version__,
            "opencv": cv2.__version__,
            "pillow": PIL.__version__,
            "facenet-pytorch": version("facenet-pytorch"),
        },
        "this_run": {
            "num_photos": num_new,
            "seconds": round(summary.seconds, 3),
            "photos_per_second": round(num_new / summary.seconds, 2),
            "workers": summary.workers,
        },
    }
    path = summary.out / REPORT
    text = json.dumps(report, indent=1, ensure_ascii=False) + "\n"
    # Names of photos that are not UTF-8 hold lone surrogates: \udcff, which is how JSON writes them as well.
    write_page(path, text)


def _without_any_crop(done: list[Done]) -> dict[str, str]:
    """People with photos and no crop -> what is wrong with their photos."""
    with_crop = {photo.identity for photo in done if photo.crops}
    problems: dict[str, Counter[str]] = {}
    for photo in done:
        if photo.identity not in with_crop:
            problems.setdefault(photo.identity, Counter())[photo.problem] += 1
    return {
        name: ", ".join(f"{problem} in {count:,} of {counts.total():,}" for problem, count in counts.items())
        for name, counts in problems.items()
    }


def _per_identity(done: list[Done]) -> dict[str, dict[str, int]]:
    counts: dict[str, dict[str, int]] = {}
    for photo in sorted(done, key=lambda photo: photo.identity):
        of_identity = counts.setdefault(photo.identity, {"photos": 0, "crops": 0})
        of_identity["photos"] += 1
        of_identity["crops"] += len(photo.crops)
    return counts


def told(summary: Summary) -> Iterator[str]:
    """The lines that the command prints at its end."""
    rate = (summary.num_photos - summary.num_before) / summary.seconds
    yield (
        f"{counted(summary.num_crops, 'crop')} of {counted(summary.num_identities, 'identity')} from "
        f"{counted(summary.num_photos, 'photo')} in {summary.seconds:.0f} s"
        + (f" ({rate:.1f} photos a second)" if rate else "")
    )
    counts = {
        "landmarks": summary.methods,
        "photos without a crop": summary.problems,
        "ignored": summary.ignored,
        "done before": {"photos": summary.num_before} if summary.num_before else {},
    }
    for title, numbers in counts.items():
        if numbers:
            yield f"  {title}: " + ", ".join(f"{name} {number:,}" for name, number in numbers.items())
    if summary.lost:
        shown = [f"{name} ({why})" for name, why in list(summary.lost.items())[:5]]
        more = f"; and {len(summary.lost) - 5:,} more, in {REPORT}" if len(summary.lost) > 5 else ""
        yield f"  people without a crop: {len(summary.lost):,}: {'; '.join(shown)}{more}"
    doubtful = sentences(summary.doubts)
    yield from (f"  {line}" for line in doubtful)
    yield from (f"note: {note}" for note in summary.notes)
    yield f"report: {summary.out / REPORT}"
    yield f"next: look at {summary.out / CONTACT_SHEET}, then train or evaluate on {summary.out}"
    if doubtful:
        doctor = f"python -m data_prep doctor {summary.out} DOCTOR"
        yield f"  {doctor} proposes which of the doubtful crops to drop"
