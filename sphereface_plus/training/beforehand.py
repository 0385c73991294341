"""What a run would be refused for, found out before torch is imported, which takes seconds."""

from __future__ import annotations

from pathlib import Path

from sphereface_plus.config import FaceConfig, RunConfig
from sphereface_plus.model_files import check_model
from sphereface_plus.training.folder import RunError, RunFolder


def check(config: RunConfig, folder: RunFolder, *, resume: bool) -> None:
    """Raises RunError for a folder that the run may not write to, and what check_files raises."""
    if resume and folder.holds_run():
        folder.refuse_another(config)
    else:
        folder.refuse_existing()
        check_start(config)
        check_files(config)


def check_files(config: RunConfig) -> None:
    """Raises RunError, naming the setting, where a file or folder that the config names is not there."""
    if not Path(config.data.path).exists():
        needed = (
            "folder, manifest, list or packed set of crops; --set data.path=... names yours, and "
            "`python -m data_prep align` makes crops of photos"
            if isinstance(config, FaceConfig)
            else f"file or folder of {config.data.name}'s images; --set data.path=... names yours"
        )
        raise RunError(f"data.path {config.data.path}: there is no such {needed}")
    if not isinstance(config, FaceConfig):
        return
    others = {"data.root": config.data.root}
    if config.validation is not None:
        others |= {"validation.pairs": config.validation.pairs, "validation.images": config.validation.images}
    for setting, path in others.items():
        if path is not None and not Path(path).exists():
            raise RunError(f"{setting} {path}: there is no such file or folder")


def check_start(config: RunConfig) -> None:
    """Raises CheckpointError where a fine-tuning's start is no model that it can begin with."""
    if isinstance(config, FaceConfig) and config.init_from is not None:
        check_model(config.init_from)
