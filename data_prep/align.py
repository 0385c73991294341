"""A whole data set of photos -> a folder of crops with its manifest, report and contact sheet.

    OUT/<identity>/<photo>.png    the crops, at the photos' own relative paths
    OUT/manifest.csv              one row a crop (sphereface_plus/data/manifest.py)
    OUT/report.json               settings, counts, and why which photo has no crop
    OUT/contact_sheet.jpg         some crops with their landmarks
    OUT/progress.jsonl            what is done, so that the same call continues

All but the report's `this_run` depends on the photos and the settings alone, not on the number of workers,
nor on interruptions.
"""

from __future__ import annotations

import hashlib
import json
import platform
import time
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import asdict, dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

from sphereface_plus.data.manifest import MANIFEST, write_manifest

from .aligned import find_alignment
from .contact_sheet import write_contact_sheet
from .cropping import Cropper, make_detector, one_thread
from .errors import PrepError
from .given import read_landmarks
from .journal import Done, Journal
from .layouts import Photo, Photos, find_photos, select_photos
from .settings import RELAXED_THRESHOLD, Cropping
from .workers import usable_cpus, work

REPORT = "report.json"

Progress = Callable[[int, int, int], None]
"""Called as progress(done, total, without_crop) after each photo; first with what earlier runs have done."""


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
    num_before: int
    """Photos that an earlier run had done."""
    seconds: float


def align_folder(
    photos: str | Path,
    out: str | Path,
    *,
    layout: str = "folder",
    list_file: str | Path | None = None,
    selection: Iterable[str] | None = None,
    min_images: int = 1,
    landmarks: str | Path | None = None,
    realign: bool = False,
    workers: int | None = None,
    progress: Progress | None = None,
    **cropping: Any,
) -> Summary:
    """Aligns the photos of a folder into the folder `out`, or continues with what an earlier call has begun.

    layout, list_file, min_images: which photos, see layouts.find_photos
    selection: instead of a layout, paths or keys (`Name/Name_0001`) of photos below the folder
    landmarks: a file whose landmarks replace detection (given.py)
    realign: take photos that are aligned already
    workers: processes; by default one for each usable processor
    cropping: settings of `Cropping`, such as template="arcface_112x112" or fallback="centre"

    Raises PrepError for bad input, and after all is written where no photo got a crop.
    """
    started = time.monotonic()
    root, out = Path(photos), Path(out)
    settings = Cropping(**cropping)
    if out.resolve().is_relative_to(root.resolve()):
        raise PrepError(
            f"{out}: the crops must not lie in the folder of photos, where they would be taken for photos"
        )
    if selection is not None:
        found = select_photos(root, selection)
    else:
        list_path = Path(list_file) if list_file is not None else None
        found = find_photos(root, layout, list_file=list_path, min_images=min_images)
    given = read_landmarks(Path(landmarks)) if landmarks is not None else None
    detector = make_detector(settings) if given is None else None
    record = {
        "photos": str(root.resolve()),
        "layout": layout if selection is None else "selection",
        "min_images": min_images,
        **asdict(settings),
        "thresholds": list(settings.thresholds),
        "detector": detector.settings if detector else None,
        "landmarks_sha256": hashlib.sha256(Path(landmarks).read_bytes()).hexdigest() if landmarks else None,
    }
    journal = Journal(out, record)
    if not realign and (reason := find_alignment(found, detector, given)):
        raise PrepError(
            f"{root}: is aligned already: {reason}; aligning again blurs and shifts faces (--realign does)"
        )
    remaining = _remaining(found, journal, out)
    before = len(found.photos) - len(remaining)
    workers = min(workers or usable_cpus(), max(1, len(remaining)))
    failed = sum(1 for photo in journal.done.values() if photo.problem)
    with journal, one_thread():
        if progress:
            progress(before, len(found.photos), failed)
        cropper = partial(Cropper, found.root, out, settings, given)
        with closing(work(cropper, remaining, workers)) as results:  # closing it ends the workers
            for number, (_, photo) in enumerate(results, start=before + 1):
                journal.add(photo)
                failed += bool(photo.problem)
                if progress:
                    progress(number, len(found.photos), failed)
    done = list(journal.done.values())
    summary = _summary(out, found, done, before, time.monotonic() - started)
    rows = sorted((crop.row for photo in done for crop in photo.crops), key=lambda row: row.path)
    write_manifest(out / MANIFEST, rows)
    if rows:
        write_contact_sheet(out, rows, settings.fit)
    _write_report(out / REPORT, record, found, done, given, summary, workers)
    if not rows:
        reasons = ", ".join(f"{reason}: {count}" for reason, count in summary.problems.items())
        raise PrepError(f"{root}: none of the {len(done)} photos got a crop ({reasons}); see {out / REPORT}")
    return summary


def _remaining(found: Photos, journal: Journal, out: Path) -> list[Photo]:
    """The photos that are not done, or not as they are now.

    What the journal has of others is dropped, and crops that no photo stands for any more are removed.
    """
    remaining, kept = [], {}
    for photo in found.photos:
        done = journal.done.get(photo.path)
        if done and _still_true(done, photo, found.root, out):
            kept[photo.path] = done
        else:
            remaining.append(photo)
    for path in journal.done.keys() - kept.keys():
        for crop in journal.done[path].crops:
            (out / crop.row.path).unlink(missing_ok=True)
    journal.done = kept
    return remaining


def _still_true(done: Done, photo: Photo, root: Path, out: Path) -> bool:
    try:
        status = (root / photo.path).stat()
        now = (status.st_size, status.st_mtime_ns)
        crops = all((out / crop.row.path).stat().st_size == crop.num_bytes for crop in done.crops)
    except OSError:
        return False  # a photo that is gone, or a crop: either is looked at again
    return crops and done.identity == photo.identity and (done.num_bytes, done.modified_ns) == now


def _summary(out: Path, found: Photos, done: list[Done], before: int, seconds: float) -> Summary:
    rows = [crop.row for photo in done for crop in photo.crops]
    return Summary(
        out=out,
        num_photos=len(done),
        num_crops=len(rows),
        num_identities=len({row.identity for row in rows}),
        methods=dict(Counter(row.method for row in rows).most_common()),
        problems=dict(Counter(photo.problem for photo in done if photo.problem).most_common()),
        ignored=found.ignored,
        num_before=before,
        seconds=seconds,
    )


def _write_report(
    path: Path,
    settings: dict[str, Any],
    found: Photos,
    done: list[Done],
    given: dict[str, Any] | None,
    summary: Summary,
    workers: int,
) -> None:
    num_new = summary.num_photos - summary.num_before
    sources = {photo.source for photo in done}
    report = {
        "settings": settings
        | ({"relaxed_threshold": RELAXED_THRESHOLD} if settings["fallback"] != "none" else {}),
        "num_photos": summary.num_photos,
        "num_crops": summary.num_crops,
        "num_identities": summary.num_identities,
        "methods": summary.methods,
        "problems": summary.problems,
        "ignored": summary.ignored,
        "unused_landmarks": sum(1 for source in given if source not in sources) if given else 0,
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
        "identities": {
            identity: {"photos": photos, "crops": crops} for identity, photos, crops in _per_identity(done)
        },
        "versions": {
            "python": platform.python_version(),
            **{
                name: version(name)
                for name in ("torch", "numpy", "opencv-python", "pillow", "facenet-pytorch")
            },
        },
        "this_run": {
            "num_photos": num_new,
            "seconds": round(summary.seconds, 3),
            "photos_per_second": round(num_new / summary.seconds, 2),
            "workers": workers,
        },
    }
    unfinished = path.with_name(path.name + ".tmp")
    unfinished.write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    unfinished.replace(path)


def _per_identity(done: list[Done]) -> list[tuple[str, int, int]]:
    photos = Counter(photo.identity for photo in done)
    crops = Counter({photo.identity: 0 for photo in done})
    for photo in done:
        crops[photo.identity] += len(photo.crops)
    return [(identity, photos[identity], crops[identity]) for identity in sorted(photos)]
