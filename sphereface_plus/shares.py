"""Shares of a work that several processes do at once, each by itself: the second of eight.

The processes need a file system in common, and nothing else of each other: a job array is enough. Each share
writes in a journal of its own in the folder OUT, whose name ends in Share.name; the same call without a share
joins them, and does what is left. Locks (outputs.py) keep them apart:

    OUT                  for a moment by a share that begins; by the joining call while it lasts
    OUT/<its journal>    by a share while it lasts
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from sphereface_plus.errors import UserError
from sphereface_plus.outputs import LOCK, locked
from sphereface_plus.path_checks import BusyError, is_file_name

Item = TypeVar("Item")

LONGEST_START = 30.0
"""Seconds that a share waits for others that begin at the same moment."""


class ShareError(UserError):
    """A share that is none, or of something that has no shares."""


@dataclass(frozen=True)
class Share:
    """One of `count` equal parts; number: 1..count."""

    number: int
    count: int

    @property
    def name(self) -> str:
        """`2_of_8`, for its journal."""
        return f"{self.number}_of_{self.count}"

    def of(self, items: Sequence[Item]) -> list[Item]:
        """Each count-th, so that a stretch of what takes long is nobody's alone."""
        return list(items[self.number - 1 :: self.count])

    def __str__(self) -> str:
        return f"{self.number}/{self.count}"


def share_of(text: str) -> Share:
    """`2/8` -> the second of eight. Raises ShareError."""
    match = re.fullmatch(r"([1-9][0-9]{0,8})/([1-9][0-9]{0,8})", text)
    if match is None or int(match[1]) > int(match[2]):
        raise ShareError(
            f"--shard {text}: expected such as 2/8, the second of eight shares; they begin with 1"
        )
    return Share(int(match[1]), int(match[2]))


def share_into(text: str | None, out: Path) -> Share | None:
    """The share that --shard names, of what a command writes into the folder `out`. Raises ShareError."""
    if text is None:
        return None
    if is_file_name(out):
        raise ShareError(f"{out}: is one file, and --shard is for a folder OUT that several processes fill")
    if "WORLD_SIZE" in os.environ:
        raise ShareError(f"--shard {text}: under torchrun each process takes a share already; leave one out")
    return share_of(text)


@contextmanager
def without_shares(out: Path, journals: str) -> Iterator[None]:
    """While this lasts, nobody else writes into the folder.

    journals: pattern of the names of shares' journals. Raises PlaceError where somebody writes.
    """
    with locked(out):
        for lock in sorted(out.glob(f".{journals}.{LOCK}")):  # of a share at work, or of a killed one
            with locked(out / lock.name[1 : -len(LOCK) - 1], file=True):
                pass
        yield


@contextmanager
def beginning(out: Path) -> Iterator[None]:
    """The folder's lock, for a moment in which other shares may begin, too. Raises PlaceError."""
    end = time.monotonic() + LONGEST_START
    with ExitStack() as stack:
        while True:
            try:
                stack.enter_context(locked(out))
                break
            except BusyError:
                if time.monotonic() > end:
                    raise
                time.sleep(0.1)
        yield
