"""A folder of crops that several processes fill at once, each with a share of the photos.

Each share has a journal of its own, OUT/progress_2_of_8.jsonl, and writes no manifest. The processes need a
file system in common, and nothing else of each other: a job array is enough. The call without a share joins
them: it takes their journals for its own, does what is left, and writes what one process would have written.
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sphereface_plus.outputs import locked
from sphereface_plus.shares import Share, beginning, without_shares
from sphereface_plus.words import counted

from .journal import JOURNAL, Journal
from .layouts import Photo
from .remaining import still_true

_JOURNALS = "progress_*_of_*.jsonl"


@dataclass(frozen=True)
class ShareSummary:
    """What a share has done."""

    share: Share
    num_photos: int
    num_crops: int
    num_failed: int
    seconds: float


def journal_of(share: Share) -> str:
    """Its name."""
    return f"progress_{share.name}.jsonl"


def journals(out: Path) -> list[str]:
    """Names of those of shares."""
    return sorted(path.name for path in out.glob(_JOURNALS))


@contextmanager
def place(out: Path, share: Share | None, settings: dict[str, Any]) -> Iterator[None]:
    """While this lasts, nobody else writes what this share writes, or, without one, anything at all.

    Raises PlaceError where somebody does, PrepError where the folder was begun with other settings.
    """
    if share is None:
        with without_shares(out, _JOURNALS):
            yield
        return
    with locked(out / journal_of(share), file=True):
        with beginning(out):
            if not (out / JOURNAL).exists():
                with Journal(out, settings):
                    pass  # says what the folder is, while it has no manifest
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
