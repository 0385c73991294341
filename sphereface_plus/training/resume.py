"""Which checkpoint a run goes on from: the newest that is whole, whatever a kill or a disk did to the others.

Each of last.pt, best.pt and step_N.pt holds the whole state after its step, so that a run gives the same
numbers from any of them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from sphereface_plus import checkpoint
from sphereface_plus.files import is_unfinished
from sphereface_plus.held_rows import KEY, names_in, remove_old
from sphereface_plus.processes import Processes
from sphereface_plus.stored_rows import DamagedShareError, check_bytes, wrong_bytes
from sphereface_plus.training.folder import RunError, RunFolder


@dataclass
class ResumePoint:
    """Where a run goes on, and what was found on the way there."""

    folder: RunFolder
    payload: dict[str, Any] | None = None
    """None where the run starts from step 0: it was stopped before it saved, or no saved file is whole."""
    file: Path | None = None
    damaged: dict[Path, str] = field(default_factory=dict)
    """Files that are not whole, and what of those that are named in them is not."""

    @property
    def step(self) -> int:
        """Updates that were made; -1 where there is no payload."""
        return -1 if self.payload is None else self.payload["step"]

    @property
    def is_last(self) -> bool:
        return self.file == self.folder.last

    def __str__(self) -> str:
        """What to tell the user."""
        what = [
            f"{file.name} is damaged{reason and f' ({reason})'}, and kept as {_aside(file).name}"
            for file, reason in self.damaged.items()
        ]
        if self.file is None:
            where = "there is no whole checkpoint, the run starts from step 0"
        else:
            where = f"the run goes on at step {self.step}, from {self.file.name}"
            if not self.is_last and self.folder.last not in self.damaged and not self.folder.last.exists():
                what.insert(0, "there is no last.pt")
        return f"{self.folder.path}: {'; '.join([*what, where])}"

    def tidy(self) -> None:
        """Puts damaged checkpoints aside, and removes what a kill has left half written or without a name."""
        for file in self.damaged:
            if file.exists():
                file.replace(_aside(file))
        for file in self.folder.last.parent.glob(".*.tmp"):
            if is_unfinished(file):
                file.unlink()
        if self.is_last and self.payload is not None:
            remove_old(self.folder.last.parent, names_in(self.payload), of=(), orphans=True)

    def _take_if_newer(self, file: Path, processes: Processes) -> bool:
        """Whether the file is whole, and those of the rows that it names are."""
        try:
            file.open("rb").close()  # a missing permission is not damage
            payload = checkpoint.load_apart(file)
            if not isinstance(payload.get("step"), int):
                raise RunError(
                    f"{file}: is not a checkpoint of a run, it has no step; start a new run with --out"
                )
            if payload["step"] > self.step:
                _check_rows(file, payload, processes)
                self.payload, self.file = payload, file
        except checkpoint.DamagedError as error:
            self.damaged[file] = error.reason if isinstance(error, DamagedShareError) else ""
            return False
        except (OSError, checkpoint.CheckpointError) as error:
            raise RunError(f"{error}; or start a new run with --out") from None
        return True


def find(folder: RunFolder, processes: Processes) -> ResumePoint:
    """The newest whole checkpoint of a run's folder; rows that lie in other files are not loaded yet.

    All processes call it together. Raises RunError for one that cannot be read for another reason than
    damage, such as a newer format, want of memory or a missing permission.
    """
    point = ResumePoint(folder)
    if folder.last.is_file():
        point._take_if_newer(folder.last, processes)
    kept = {
        int(number[1]): file
        for file in folder.last.parent.glob("step_*.pt")
        if (number := re.fullmatch(r"step_(\d+)\.pt", file.name))
    }
    for step in sorted((step for step in kept if step > point.step), reverse=True):
        if point._take_if_newer(kept[step], processes):
            break
    # An older best.pt, as it is in most runs, is not read: it cannot be newer by its step either.
    if folder.best.is_file() and not (
        point.is_last and folder.best.stat().st_mtime_ns < folder.last.stat().st_mtime_ns
    ):
        point._take_if_newer(folder.best, processes)
    return point


def _check_rows(file: Path, payload: dict[str, Any], processes: Processes) -> None:
    """Raises DamagedShareError, in all processes, each of which reads some of the files that hold rows."""
    if KEY in payload:
        mine = wrong_bytes(file, payload, rank=processes.rank, of=processes.world_size)
        wrong = processes.largest(torch.tensor(mine, dtype=torch.float32, device=processes.device))
        check_bytes(file, payload, [bool(one) for one in wrong])


def _aside(file: Path) -> Path:
    return file.with_name(f"{file.name}.damaged")
