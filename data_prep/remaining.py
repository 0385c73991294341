"""Which photos are still to be aligned, and what the journal keeps of those that are done.

`remaining` only looks, so that a call may still be refused; `forget` removes.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from sphereface_plus.data.formats.decoding import DecodeError, decode

from .journal import Crop, Done, Journal
from .layouts import Photo, Photos
from .plugins import is_solved

Others = Literal["remove", "keep", "leave"]
"""What becomes of photos that the journal has and a call does not want. remove: their crops go, as the photos
have gone. keep: only if they have changed, as several selections of one set of photos share a folder. leave:
nothing, they are another share's."""


def remaining(
    found: Photos, journal: Journal, out: Path, *, others: Others
) -> tuple[list[Photo], list[Done]]:
    """The photos that are not done, or not as they are now; and what of the journal no longer counts."""
    left, kept = [], set()
    for photo in found.photos:
        done = journal.done.get(photo.path)
        if done and still_true(done, photo, found.root, out):
            kept.add(photo.path)
        else:
            left.append(photo)
    wanted = {photo.path for photo in found.photos}
    outdated = []
    for path in journal.done.keys() - kept:
        done = journal.done[path]
        if path not in wanted and others != "remove":
            other = Photo(path, done.identity)
            if others == "leave" or still_true(done, other, found.root, out):
                continue
        outdated.append(done)
    return left, outdated


def forget(outdated: Sequence[Done], journal: Journal, out: Path) -> None:
    """Takes them out of the journal, and removes their crops, but those that are another photo's by now.

    A photo that got another suffix has the same crop; a share may have made it before.
    """
    for done in outdated:
        del journal.done[done.source]
    kept = {crop.row.path for done in journal.done.values() for crop in done.crops}
    for path in {crop.row.path for done in outdated for crop in done.crops} - kept:
        (out / path).unlink(missing_ok=True)


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


def still_true(done: Done, photo: Photo, root: Path, out: Path) -> bool:
    """Whether the photo and its crops are as they were when the journal's line was written."""
    try:
        status = (root / photo.path).stat()
        now = (status.st_size, status.st_mtime_ns)
        crops = all(_is_whole(out / crop.row.path, crop) for crop in done.crops)
        if is_solved(done.problem):
            return False
    except OSError:
        return False  # a photo that is gone, or a crop: either is looked at again
    return crops and done.identity == photo.identity and (done.num_bytes, done.modified_ns) == now
