"""A folder of crops that several processes fill at once, each with a share of the photos.

Each share has a journal of its own, OUT/progress_2_of_8.jsonl, and writes no manifest. The processes need a
file system in common, and nothing else of each other: a job array is enough. The call without a share joins
them: it takes their journals for its own, does what is left, and writes what one process would have written.
"""

from __future__ import annotations

import re
import time
from collections.abc import Container, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sphereface_plus.outputs import LOCK, locked
from sphereface_plus.path_checks import PlaceError
from sphereface_plus.words import counted

from .errors import PrepError
from .journal import JOURNAL, Journal
from .layouts import Photo
from .remaining import still_true

LONGEST_START = 30.0
"""Seconds that a share waits for others that begin at the same moment."""


@dataclass(frozen=True)
class Share:
    """One of `count` equal parts of the photos; number: 1..count."""

    number: int
    count: int

    @property
    def journal(self) -> str:
        return f"progress_{self.number}_of_{self.count}.jsonl"

    def of(self, photos: Sequence[Photo]) -> list[Photo]:
        """Each count-th, so that a large folder of one person is nobody's alone."""
        return list(photos[self.number - 1 :: self.count])

    def __str__(self) -> str:
        return f"{self.number}/{self.count}"


@dataclass(frozen=True)
class ShareSummary:
    """What a share has done."""

    share: Share
    num_photos: int
    num_crops: int
    num_failed: int
    seconds: float


def share_of(text: str) -> Share:
    """`2/8` -> the second of eight. Raises PrepError."""
    match = re.fullmatch(r"([1-9][0-9]{0,8})/([1-9][0-9]{0,8})", text)
    if match is None or int(match[1]) > int(match[2]):
        raise PrepError(
            f"--shard {text}: expected such as 2/8, the second of eight shares; they begin with 1"
        )
    return Share(int(match[1]), int(match[2]))


def journals(out: Path) -> list[str]:
    """Names of those of shares."""
    return sorted(path.name for path in out.glob("progress_*_of_*.jsonl"))


def _begun(out: Path) -> list[str]:
    """The journals of the shares that began and did not end; one that still looks at its photos has none."""
    return sorted(path.name[1 : -len(LOCK) - 1] for path in out.glob(f".progress_*_of_*.jsonl.{LOCK}"))


@contextmanager
def place(out: Path, share: Share | None, settings: dict[str, Any]) -> Iterator[None]:
    """While this lasts, nobody else writes what this share writes, or, without one, anything at all.

    Raises PlaceError where somebody does, PrepError where the folder was begun with other settings.
    """
    if share is None:
        with locked(out):
            for name in _begun(out):  # a share may still be at work, or a killed one have left its lock
                with locked(out / name, file=True):
                    pass
            yield
        return
    with locked(out / share.journal, file=True):
        with _whole(out):
            if not (out / JOURNAL).exists():
                with Journal(out, settings):
                    pass  # says what the folder is, while it has no manifest
        yield


@contextmanager
def _whole(out: Path) -> Iterator[None]:
    """The lock of the call without a share; for a moment, as other shares may begin now, too."""
    end = time.monotonic() + LONGEST_START
    with ExitStack() as stack:
        while True:
            try:
                stack.enter_context(locked(out))
                break
            except PlaceError:
                if time.monotonic() > end:
                    raise
                time.sleep(0.1)
        yield


def take_in(
    journal: Journal,
    names: Sequence[str],
    out: Path,
    root: Path,
    settings: dict[str, Any],
    *,
    wanted: Container[str] | None = None,
) -> None:
    """What other journals of the folder have done, of the photos `wanted`, counts as done here.

    Raises PrepError where one was begun with other settings.
    """
    for name in names:
        for path, done in Journal(out, settings, name).done.items():
            if wanted is not None and path not in wanted:
                continue
            mine = journal.done.get(path)
            if mine is None or not still_true(mine, Photo(path, mine.identity), root, out):
                journal.done[path] = done


def told(summary: ShareSummary) -> Iterator[str]:
    """The lines that the command prints at the end of a share."""
    yield (
        f"share {summary.share}: {counted(summary.num_crops, 'crop')} from "
        f"{counted(summary.num_photos, 'photo')} in {summary.seconds:.0f} s; "
        f"without a crop: {summary.num_failed:,}"
    )
    yield (
        f"next: when all {summary.share.count} shares have ended, the same command without --shard joins "
        "them, and aligns what a killed one has left"
    )
