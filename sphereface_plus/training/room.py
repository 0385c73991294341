"""Whether the checkpoints of a run will fit on the disk: asked before the first step, not hours later.

last.pt, perhaps best.pt, and one for every train.checkpoint_every lie there at the end; what is written anew
lies there twice while it is written.
"""

from __future__ import annotations

import math
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from rich.filesize import decimal
from torch import Tensor
from torch.optim import Optimizer

from sphereface_plus.training import tasks
from sphereface_plus.training.folder import RunError
from sphereface_plus.training.run_parts import Run
from sphereface_plus.training.state import payload_of
from sphereface_plus.words import counted


def check(run: Run) -> str | None:
    """What to tell the user where the checkpoints of the whole run will not fit; None where they will, and
    where the system does not say what is free. All processes call it together; the main one, which writes
    them, gets an answer.

    Raises RunError, in every process, where not even the first ones fit.
    """
    payload = payload_of(run, run.first_step)
    size = size_of(payload) + sum(size_to_come(optimizer) for optimizer in run.learner.optimizers)
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


def size_of(value: Any) -> int:
    """About how many bytes plain data and tensors take in a checkpoint."""
    if isinstance(value, Tensor):
        return value.numel() * value.element_size()
    if isinstance(value, dict):
        return sum(size_of(part) for part in (*value, *value.values()))
    if isinstance(value, list | tuple):
        return sum(size_of(part) for part in value)
    return len(value) if isinstance(value, str) else 8


def size_to_come(optimizer: Optimizer) -> int:
    """Bytes that an optimizer keeps from its first step on: a momentum, Adam's two means, RMSprop's mean
    square; 0 if it has them."""
    if optimizer.state:
        return 0
    return sum(_means(group) * size_of(list(_learning(group["params"]))) for group in optimizer.param_groups)


def _means(group: dict[str, Any]) -> int:
    of_adam = 2 + bool(group.get("amsgrad")) if "betas" in group else 0
    of_rmsprop = 1 + bool(group.get("centered")) if "alpha" in group else 0
    return of_adam + of_rmsprop + bool(group.get("momentum"))


def _learning(parameters: Iterable[Tensor]) -> Iterable[Tensor]:
    return (parameter for parameter in parameters if parameter.requires_grad)
