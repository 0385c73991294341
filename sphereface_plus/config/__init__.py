"""Every setting of a training run: typed, frozen, with a sentence under each, and the strict loader.

A recipe is one YAML file. It is read once, changed by `--set key=value`, validated here, and from then on it
does not change: the run folder and every checkpoint hold exactly what was validated. Its `task` says which
settings it has: those of a face-recognition run, of an image classification, of a generator, ... (TASKS).
"""

from __future__ import annotations

import copy
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from sphereface_plus.config.common import OptimizerConfig, RunConfig, TrainConfig
from sphereface_plus.config.face import (
    DataConfig,
    FaceConfig,
    FinetuneConfig,
    InputSpec,
    MHEConfig,
    NetworkConfig,
    OnnxInputSpec,
    ValidationConfig,
)
from sphereface_plus.config.gan import GanConfig
from sphereface_plus.config.image import (
    ImageConfig,
    ImageDataConfig,
    ImageLossConfig,
    ImageMHEConfig,
    ImageNetworkConfig,
    TermConfig,
)
from sphereface_plus.config.losses import AMSoftmaxConfig, ASoftmaxConfig, LossConfig, SoftmaxConfig
from sphereface_plus.config.overrides import to_blame
from sphereface_plus.config.strict import (
    ConfigError,
    Strict,
    apply,
    checked,
    parse_value,
    read,
    to_dict,
    validate,
)
from sphereface_plus.words import a_kind

__all__ = [
    "AMSoftmaxConfig",
    "ASoftmaxConfig",
    "ConfigError",
    "DataConfig",
    "FaceConfig",
    "FinetuneConfig",
    "GanConfig",
    "ImageConfig",
    "ImageDataConfig",
    "ImageLossConfig",
    "ImageMHEConfig",
    "ImageNetworkConfig",
    "InputSpec",
    "LossConfig",
    "MHEConfig",
    "NetworkConfig",
    "OnnxInputSpec",
    "OptimizerConfig",
    "RunConfig",
    "SoftmaxConfig",
    "Strict",
    "TermConfig",
    "TrainConfig",
    "ValidationConfig",
    "face_config",
    "from_dict",
    "load",
    "load_input_spec",
    "parse_value",
    "to_dict",
]

TASKS: dict[str, type[RunConfig]] = {"face": FaceConfig, "image": ImageConfig, "gan": GanConfig}
"""Task, as a recipe names it -> its settings; all else that differs is in training/tasks.py."""


def task_of(path: str | Path) -> str:
    """One of TASKS, as the recipe says. Raises ConfigError for another, and where it cannot be read."""
    tree = read(Path(path))
    return _task_of(tree, str(path)) if isinstance(tree, dict) else "face"


def load(path: str | Path, overrides: Sequence[str] = (), typed: Collection[str] | None = None) -> RunConfig:
    """The validated config of a recipe.

    overrides: strings `a.b=value`, applied in order. Changing a `kind` drops the old kind's settings
    where each has its own.
    typed: those of them that a person has given by --set, all if not said.
    Raises ConfigError, with one line a mistake, for a file that cannot be read and for every unknown key,
    wrong type and contradiction. A line begins with the overrides that the mistake comes from, or the file.
    """
    tree = read(Path(path))
    if tree is None:
        raise ConfigError(f"{path}: is empty; a recipe is lines of `setting: value`, see configs/")
    if not isinstance(tree, dict):
        raise ConfigError(f"{path}: is not a recipe, lines of `setting: value`, but {a_kind(tree)}")
    task = _task_of(tree, str(path))
    typed = overrides if typed is None else [override for override in overrides if override in typed]

    def checked_with(some: Collection[str]) -> RunConfig | list[str]:
        changed = copy.deepcopy(tree)
        for override in overrides:
            if override in some or override not in typed:
                apply(changed, override, TASKS[task])
        if changed.get("task", "face") != task:
            raise ConfigError(
                f"{path}: is a recipe of task {task}, --set cannot make it another; take one of configs/"
            )
        return checked(TASKS[task], changed)

    def mistakes_with(some: Collection[str]) -> list[str]:
        try:
            found = checked_with(some)
        except ConfigError:  # of an override that needs one that is left out
            return []
        return found if isinstance(found, list) else []

    found = checked_with(typed)
    if not isinstance(found, list):
        return found
    lines = []
    for mistake in found:
        blamed = to_blame(mistake, typed, mistakes_with)
        lines.append(f"{' '.join(f'--set {override}' for override in blamed) or path}: {mistake}")
    raise ConfigError("\n".join(lines))


def from_dict(tree: dict[str, Any], *, origin: str = "config") -> RunConfig:
    """The validated config of plain data (a recipe's tree, or the config that a checkpoint holds)."""
    return validate(TASKS[_task_of(tree, origin)], tree, origin)


def _task_of(tree: dict[str, Any], origin: str) -> str:
    task = tree.get("task", "face")
    if not isinstance(task, str) or task not in TASKS:
        raise ConfigError(f"{origin}: task: must be one of {', '.join(TASKS)}, got {task!r}")
    return task


def face_config(tree: dict[str, Any], *, origin: str) -> FaceConfig:
    """The config of a checkpoint that is to embed faces. Raises ConfigError where it is of another task."""
    config = from_dict(tree, origin=origin)
    if not isinstance(config, FaceConfig):
        raise ConfigError(f"{origin}: is of {config.in_words}; a model of faces is needed here")
    return config


def load_input_spec(path: str | Path) -> InputSpec:
    """The input spec of a YAML file, for models that do not carry one (an ONNX file of somebody else)."""
    tree = read(Path(path))
    names_output = isinstance(tree, dict) and "output" in tree
    return validate(OnnxInputSpec if names_output else InputSpec, tree, str(path))
