"""Which checkpoint a run goes on from: the newest that is whole, whatever a kill or a disk did to the others.

Each of last.pt, best.pt and step_N.pt holds the whole state after its step, so that a run gives the same
numbers from any of them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sphereface_plus import checkpoint
from sphereface_plus.files import is_unfinished
from sphereface_plus.training.folder import RunError, RunFolder


@dataclass
class ResumePoint:
    """Where a run goes on, and what was found on the way there."""

    folder: RunFolder
    payload: dict[str, Any] | None = None
    """None where the run starts from step 0: it was stopped before it saved, or no saved file is whole."""
    file: Path | None = None
    damaged: list[Path] = field(default_factory=list)

    @property
    def step(self) -> int:
        """Updates that were made; -1 where there is no payload."""
        return -1 if self.payload is None else self.payload["step"]

    @property
    def is_last(self) -> bool:
        return self.file == self.folder.last

    def __str__(self) -> str:
        """What to tell the user."""
        what = [f"{file.name} is damaged, and kept as {_aside(file).name}" for file in self.damaged]
        if self.file is None:
            where = "there is no whole checkpoint, the run starts from step 0"
        else:
            where = f"the run goes on at step {self.step}, from {self.file.name}"
            if not self.is_last and self.folder.last not in self.damaged and not self.folder.last.exists():
                what.insert(0, "there is no last.pt")
        return f"{self.folder.path}: {'; '.join([*what, where])}"

    def tidy(self) -> None:
        """Puts damaged checkpoints aside, and removes what a kill has left half written."""
        for file in self.damaged:
            if file.exists():
                file.replace(_aside(file))
        for file in self.folder.last.parent.glob(".*.tmp"):
            if is_unfinished(file):
                file.unlink()

    def _take_if_newer(self, file: Path) -> bool:
        """Whether the file is whole."""
        try:
            file.open("rb").close()  # a missing permission is not damage
            payload = checkpoint.load(file)
        except checkpoint.DamagedError:
            self.damaged.append(file)
            return False
        except (OSError, checkpoint.CheckpointError) as error:
            raise RunError(f"{error}; or start a new run with --out") from None
        if not isinstance(payload.get("step"), int):
            raise RunError(
                f"{file}: is not a checkpoint of a run, it has no step; start a new run with --out"
            )
        if payload["step"] > self.step:
            self.payload, self.file = payload, file
        return True


def find(folder: RunFolder) -> ResumePoint:
    """The newest whole checkpoint of a run's folder. Raises RunError for one that cannot be read for another
    reason than damage, such as a newer format, want of memory or a missing permission."""
    point = ResumePoint(folder)
    if folder.last.is_file():
        point._take_if_newer(folder.last)
    kept = {
        int(number[1]): file
        for file in folder.last.parent.glob("step_*.pt")
        if (number := re.fullmatch(r"step_(\d+)\.pt", file.name))
    }
    for step in sorted((step for step in kept if step > point.step), reverse=True):
        if point._take_if_newer(kept[step]):
            break
    # An older best.pt, as it is in most runs, is not read: it cannot be newer by its step either.
    if folder.best.is_file() and not (
        point.is_last and folder.best.stat().st_mtime_ns < folder.last.stat().st_mtime_ns
    ):
        point._take_if_newer(folder.best)
    return point


def _aside(file: Path) -> Path:
    return file.with_name(f"{file.name}.damaged")
