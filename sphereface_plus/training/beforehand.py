"""What a run would be refused for, found out before torch is imported, which takes seconds."""

from __future__ import annotations

from pathlib import Path

from sphereface_plus.config import RunConfig
from sphereface_plus.model_files import check_model
from sphereface_plus.training import tasks
from sphereface_plus.training.folder import RunError, RunFolder


def check(config: RunConfig, folder: RunFolder, *, resume: bool) -> None:
    """Raises RunError for a folder that the run may not write to, and what check_files raises.

    Raises CheckpointError where a fine-tuning's start is not a model that it can begin with.
    """
    task = tasks.of(config)
    if resume and folder.holds_run():
        folder.refuse_another(config, task.may_change, task.after_divergence)
        return
    folder.refuse_existing()
    start = task.start(config) if task.start is not None else None
    if start is not None:
        check_model(start)
    check_files(config)


def check_files(config: RunConfig) -> None:
    """Raises RunError, naming the setting, where a file or folder that the config names is not there."""
    for setting, path, needed in tasks.of(config).needed_files(config):
        if path is not None and not Path(path).exists():
            raise RunError(f"{setting} {path}: there is no such {needed}")
