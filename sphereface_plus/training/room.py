"""Whether the checkpoints of a run will fit on the disk: asked before the first step, not hours later.

last.pt, perhaps best.pt, and one for every train.checkpoint_every lie there at the end; what is written anew
lies there twice while it is written.
"""

from __future__ import annotations

import math
import shutil
from pathlib import Path

from rich.filesize import decimal

from sphereface_plus.training import tasks
from sphereface_plus.training.folder import RunError
from sphereface_plus.training.run_parts import Run
from sphereface_plus.training.sizes import size_of
from sphereface_plus.training.state import about
from sphereface_plus.words import counted


def check(run: Run) -> str | None:
    """What to tell the user where the checkpoints of the whole run will not fit; None where they will, and
    where the system does not say what is free. All processes call it together; the main one, which writes
    them, gets an answer.

    Raises RunError, in every process, where not even the first ones fit.
    """
    size = size_of(about(run, run.first_step)) + run.learner.state_size()
    first, most = numbers(run)
    free = free_at(run.folder.path) if run.processes.is_main else math.inf
    if run.processes.any(size * first > free):
        left = "less" if math.isinf(free) else decimal(int(free))
        raise RunError(
            f"{run.folder.path}: {counted(first, 'checkpoint')} of about {decimal(size)} must fit at first, "
            f"and {left} is free there; make room, or name a folder on another disk with --out"
        )
    if size * most > free:
        return (
            f"warning: {run.folder.path}: up to {most:,} checkpoints of about {decimal(size)} each will take "
            f"{decimal(size * most)}, and {decimal(int(free))} is free there; make room, or raise "
            "train.checkpoint_every"
        )
    return None


def free_at(path: Path) -> float:
    """Bytes that are free at a path; infinitely many where the system does not say."""
    try:
        return shutil.disk_usage(path).free
    except OSError:
        return math.inf


def numbers(run: Run) -> tuple[int, int]:
    """How many checkpoints have to find room beside what lies there: until the first are safe, and at most at
    one time."""
    train, folder = run.config.train, run.folder
    kept = train.steps // train.checkpoint_every - run.first_step // train.checkpoint_every
    new = kept + (not folder.last.exists())
    chosen = tasks.of(run.config).result(run.config) is not None
    new += chosen and not folder.best.exists()
    return 1 + bool(kept), new + bool(kept or folder.last.exists())
