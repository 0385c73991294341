"""A whole data set of photos -> a folder of crops with its manifest, report and contact sheet.

    OUT/<identity>/<photo>.png    the crops, at the photos' own relative paths
    OUT/manifest.csv              one row a crop (sphereface_plus/data/formats/manifest.py)
    OUT/manifest.csv.dropped      rows that a person took out of it; they stay out (dropped.py)
    OUT/report.json               settings, counts, and why which photo has no crop
    OUT/contact_sheet.html        the least sure crops and some others, with their landmarks
    OUT/progress.jsonl            what is done, so that the same call continues

All but the report's `this_run` depends on the photos and the settings alone, not on the number of workers,
nor on interruptions, nor on the shares that several processes may have done before (shares.py).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing, nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from sphereface_plus.data.formats.manifest import MANIFEST, write_manifest
from sphereface_plus.files import is_unfinished
from sphereface_plus.shares import Share
from sphereface_plus.words import counted

from .align_report import REPORT, Summary, summarise, write_report
from .align_task import Task, task_of
from .contact_sheet import write_contact_sheet
from .cropping import Cropper, one_thread
from .doubts import find_doubts
from .dropped import sentences, taken_out, without
from .errors import PrepError
from .journal import JOURNAL, Done, Journal
from .layouts import Photo, Photos
from .remaining import forget, remaining
from .settings import Cropping
from .shares import ShareSummary, journal_of, journals, place, take_in
from .workers import usable_cpus, work

TWIN = "called like another photo"
"""Problem of a photo that differs from another in its suffix only."""
Progress = Callable[[int, int, int], None]
"""Called as progress(done, total, without_crop) after each photo; first with what earlier runs have done."""


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
    out = Path(out)
    task = task_of(photos, out, layout, list_file, selection, min_images, landmarks, Cropping(**cropping))
    found = task.found
    with place(out, None, task.record):
        journal, of_shares = Journal(out, task.record), journals(out)
        take_in(journal, of_shares, out, found.root, task.record)
        if not realign:
            task.refuse_aligned()
        dropped = taken_out(
            out / MANIFEST, (crop.row for photo in journal.done.values() for crop in photo.crops)
        )
        left, outdated = remaining(found, journal, out, others="remove" if selection is None else "keep")
        num_before = len(journal.done) - len(outdated) + len(found.twins)
        workers = min(workers or usable_cpus(), max(1, len(left)))
        if not (out / MANIFEST).exists():
            _remove_unfinished(out)
        (out / MANIFEST).unlink(missing_ok=True)  # before the crops: it never names one that is gone
        forget(outdated, journal, out)
        with journal, one_thread():
            for name in of_shares:  # their lines are in the journal now
                (out / name).unlink()
            _align(task, found.photos, left, journal, workers, progress)
        made = {crop.row.path for photo in journal.done.values() for crop in photo.crops}
        stay_out = sentences(out / MANIFEST, len(dropped & made))
        found = replace(found, notes=[*found.notes, *stay_out])
        done = without([*journal.done.values(), *_twins(found)], dropped)
        done.sort(key=lambda photo: photo.source)
        rows = sorted((crop.row for photo in done for crop in photo.crops), key=lambda row: row.path)
        doubts = find_doubts(out, rows)
        if rows:
            write_contact_sheet(out, rows, doubts, task.settings.fit)
        seconds = time.monotonic() - started
        summary = summarise(out, done, found, doubts, num_before=num_before, seconds=seconds, workers=workers)
        write_report(summary, done, task.record, task.landmarks)
        write_manifest(out / MANIFEST, rows)  # last: a folder with a manifest is finished
    if not rows:
        reasons = ", ".join(f"{reason}: {count}" for reason, count in summary.problems.items())
        tried = counted(len(done), "photo")
        raise PrepError(f"{found.root}: none of the {tried} got a crop ({reasons}); see {out / REPORT}")
    return summary


def align_share(
    photos: str | Path,
    out: str | Path,
    share: Share,
    *,
    layout: str = "folder",
    list_file: str | Path | None = None,
    min_images: int = 1,
    landmarks: str | Path | None = None,
    realign: bool = False,
    workers: int | None = None,
    progress: Progress | None = None,
    **cropping: Any,
) -> ShareSummary:
    """Aligns a share of the photos into `out`, while other processes may align others there.

    The rest as of `align_folder`, which joins the shares. Raises PrepError also where `out` is finished but
    photos are new: joining takes them.
    """
    started = time.monotonic()
    out = Path(out)
    task = task_of(photos, out, layout, list_file, None, min_images, landmarks, Cropping(**cropping))
    mine = replace(task.found, photos=share.of(task.found.photos))
    with place(out, share, task.record):
        journal = Journal(out, task.record, journal_of(share))
        others = [JOURNAL, *(name for name in journals(out) if name != journal_of(share))]
        take_in(journal, others, out, mine.root, task.record, wanted={photo.path for photo in mine.photos})
        if not realign:
            task.refuse_aligned()
        left, outdated = remaining(mine, journal, out, others="leave")
        finished = (out / MANIFEST).exists()
        if left and finished:
            raise PrepError(
                f"{out}: is finished, and {counted(len(left), 'photo')} new or changed since; "
                "the same command without --shard or --scheduler takes them"
            )
        forget(outdated, journal, out)
        workers = min(workers or usable_cpus(), max(1, len(left)))
        with nullcontext() if finished else journal, one_thread():  # nothing is added to a finished folder
            _align(task, mine.photos, left, journal, workers, progress)
    done = [journal.done[photo.path] for photo in mine.photos]
    return ShareSummary(
        share,
        num_photos=len(done),
        num_crops=sum(len(photo.crops) for photo in done),
        num_failed=sum(bool(photo.problem) for photo in done),
        seconds=time.monotonic() - started,
    )


def _align(
    task: Task,
    photos: Sequence[Photo],
    left: Sequence[Photo],
    journal: Journal,
    workers: int,
    progress: Progress | None,
) -> None:
    """Aligns what is left of the photos."""
    before = len(photos) - len(left)
    failed = sum(1 for photo in photos if photo.path in journal.done and journal.done[photo.path].problem)
    if progress:
        progress(before, len(photos), failed)
    cropper = partial(Cropper, task.found.root, task.out, task.settings, task.landmarks)
    with closing(work(cropper, left, workers)) as results:  # closing it ends the workers
        for number, (_, photo) in enumerate(results, start=before + 1):
            journal.add(photo)
            failed += bool(photo.problem)
            if progress:
                progress(number, len(photos), failed)


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
