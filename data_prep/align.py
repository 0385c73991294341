"""A whole data set of photos -> a folder of crops with its manifest, report and contact sheet.

    OUT/<identity>/<photo>.png    the crops, at the photos' own relative paths
    OUT/manifest.csv              one row a crop (sphereface_plus/data/formats/manifest.py)
    OUT/manifest.csv.dropped      rows that a person took out of it; they stay out (dropped.py)
    OUT/report.json               settings, counts, and why which photo has no crop
    OUT/contact_sheet.html        the least sure crops and some others, with their landmarks
    OUT/progress.jsonl            what is done, so that the same call continues

All but the report's `this_run` depends on the photos and the settings alone, not on the number of workers,
nor on interruptions.
"""

from __future__ import annotations

import hashlib
import time
import zlib
from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

from sphereface_plus.data.formats.decoding import DecodeError, decode
from sphereface_plus.data.formats.manifest import MANIFEST, write_manifest
from sphereface_plus.files import is_unfinished
from sphereface_plus.outputs import locks
from sphereface_plus.words import counted

from .align_report import REPORT, Summary, summarise, write_report
from .already_aligned import find_alignment
from .contact_sheet import write_contact_sheet
from .cropping import Cropper, make_detector, one_thread
from .doubts import find_doubts
from .dropped import sentences, taken_out, without
from .errors import PrepError
from .journal import Crop, Done, Journal
from .landmarks_file import read_landmarks
from .layouts import Photo, Photos, find_photos, select_photos
from .plugins import is_solved
from .settings import RELAXED_THRESHOLD, Cropping
from .turning import SETTINGS as TURNING
from .workers import usable_cpus, work

TWIN = "called like another photo"
"""Problem of a photo that differs from another in its suffix only."""
Progress = Callable[[int, int, int], None]
"""Called as progress(done, total, without_crop) after each photo; first with what earlier runs have done."""


@locks("out")
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
    landmarks: a file whose landmarks replace detection (landmarks_file.py)
    realign: take photos that are aligned already
    workers: processes; by default one for each usable processor
    cropping: settings of `Cropping`, such as template="arcface_112x112" or fallback="centre"

    Raises PrepError for bad input, and after all is written where no photo got a crop; PlaceError where
    nothing can be written into `out`.
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
    known_landmarks = read_landmarks(Path(landmarks)) if landmarks is not None else None
    detector = make_detector(settings) if known_landmarks is None else None
    record = {
        "photos": str(root.resolve()),
        "layout": layout if selection is None else "selection",
        "min_images": min_images,
        **asdict(settings),
        "thresholds": list(settings.thresholds),
        "detector": detector.settings if detector else None,
        "turning": TURNING if detector else None,
        "relaxed_threshold": RELAXED_THRESHOLD if settings.fallback != "none" else None,
        "landmarks_sha256": hashlib.sha256(Path(landmarks).read_bytes()).hexdigest() if landmarks else None,
    }
    journal = Journal(out, record)
    if not realign and (reason := find_alignment(found, detector, known_landmarks)):
        raise PrepError(
            f"{root}: is aligned already: {reason}; aligning again blurs and shifts faces; "
            "use its crops as they are, or give python -m data_prep align the option --realign"
        )
    dropped = taken_out(out / MANIFEST, (crop.row for photo in journal.done.values() for crop in photo.crops))
    remaining = _remaining(found, journal, out, keep_others=selection is not None)
    before, num_before = len(found.photos) - len(remaining), len(journal.done) + len(found.twins)
    workers = min(workers or usable_cpus(), max(1, len(remaining)))
    failed = sum(1 for photo in journal.done.values() if photo.problem)
    with journal, one_thread():
        if not (out / MANIFEST).exists():
            _remove_unfinished(out)
        (out / MANIFEST).unlink(missing_ok=True)
        if progress:
            progress(before, len(found.photos), failed)
        cropper = partial(Cropper, found.root, out, settings, known_landmarks)
        with closing(work(cropper, remaining, workers)) as results:  # closing it ends the workers
            for number, (_, photo) in enumerate(results, start=before + 1):
                journal.add(photo)
                failed += bool(photo.problem)
                if progress:
                    progress(number, len(found.photos), failed)
    made = {crop.row.path for photo in journal.done.values() for crop in photo.crops}
    stay_out = sentences(out / MANIFEST, len(dropped & made))
    found = replace(found, notes=[*found.notes, *stay_out])
    done = without([*journal.done.values(), *_twins(found)], dropped)
    done.sort(key=lambda photo: photo.source)
    rows = sorted((crop.row for photo in done for crop in photo.crops), key=lambda row: row.path)
    doubts = find_doubts(out, rows)
    if rows:
        write_contact_sheet(out, rows, doubts, settings.fit)
    seconds = time.monotonic() - started
    summary = summarise(out, done, found, doubts, num_before=num_before, seconds=seconds, workers=workers)
    write_report(summary, done, record, known_landmarks)
    write_manifest(out / MANIFEST, rows)  # last: a folder with a manifest is finished
    if not rows:
        reasons = ", ".join(f"{reason}: {count}" for reason, count in summary.problems.items())
        tried = counted(len(done), "photo")
        raise PrepError(f"{root}: none of the {tried} got a crop ({reasons}); see {out / REPORT}")
    return summary


def _remove_unfinished(out: Path) -> None:
    """What a killed run had not written to its end; the photos of such crops may not come again."""
    for path in out.rglob(".*.tmp"):
        if is_unfinished(path) and path.is_file():
            path.unlink()


def _twins(found: Photos) -> list[Done]:
    """Photos without a crop, as it would be called like another's. In no journal, as that one may go."""
    return [
        Done(
            photo.path,
            photo.identity,
            -1,
            0,
            TWIN,
            f"{other} has a crop of this name; rename one of them",
            (),
        )
        for photo, other in found.twins.items()
    ]


def _remaining(found: Photos, journal: Journal, out: Path, *, keep_others: bool) -> list[Photo]:
    """The photos that are not done, or not as they are now.

    What the journal has of others is dropped, and crops whose photo is gone are removed; with
    keep_others only if their photos have changed: several selections of one set of photos share a folder.
    """
    remaining, kept = [], {}
    for photo in found.photos:
        done = journal.done.get(photo.path)
        if done and _still_true(done, photo, found.root, out):
            kept[photo.path] = done
        else:
            remaining.append(photo)
    wanted = {photo.path for photo in found.photos}
    for path in journal.done.keys() - kept.keys():
        done = journal.done[path]
        other = Photo(path, done.identity)
        if keep_others and path not in wanted and _still_true(done, other, found.root, out):
            kept[path] = done
            continue
        for crop in done.crops:
            (out / crop.row.path).unlink(missing_ok=True)
    journal.done = kept
    return remaining


def _is_whole(path: Path, crop: Crop) -> bool:
    """Whether the file is the crop that was written, by its content: zeros may be of the same length.

    Raises OSError.
    """
    if not path.is_file() or path.stat().st_size != crop.num_bytes:
        return False
    data = path.read_bytes()
    return zlib.crc32(data) == crop.crc32 if crop.crc32 >= 0 else _is_image(data)


def _is_image(data: bytes) -> bool:
    try:
        decode(data)
    except DecodeError:
        return False
    return True


def _still_true(done: Done, photo: Photo, root: Path, out: Path) -> bool:
    try:
        status = (root / photo.path).stat()
        now = (status.st_size, status.st_mtime_ns)
        crops = all(_is_whole(out / crop.row.path, crop) for crop in done.crops)
        if is_solved(done.problem):
            return False
    except OSError:
        return False  # a photo that is gone, or a crop: either is looked at again
    return crops and done.identity == photo.identity and (done.num_bytes, done.modified_ns) == now
