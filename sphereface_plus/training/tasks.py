"""The tasks: what differs between a training on faces and one on images, each in one entry of a table.

A new task is its settings in config/, an entry here, and its lines in commands/describe.py. Nothing here
imports torch: a run is refused, and its settings are listed, before that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sphereface_plus.config import FaceConfig, ImageConfig, RunConfig
from sphereface_plus.training.folder import RunFolder

if TYPE_CHECKING:
    from sphereface_plus.processes import Processes
    from sphereface_plus.training.run_parts import Run

Place = tuple[str, str | None, str]
"""A setting, the path that it names if it is given, and what has to be there."""
EITHER = "file or folder"

# No update that was made, or will be made, depends on these.
MAY_CHANGE = frozenset({"train.steps", "data.workers"})
GENTLER = frozenset({"optimizer.learning_rate", "optimizer.warmup_steps", "optimizer.clip_norm"})


@dataclass(frozen=True)
class Task:
    """What a run asks of its task. Functions take the task's config."""

    title: str
    """Above the list of its settings."""
    thing: str
    """What is trained on, in the singular, as words.counted takes it."""
    group: str
    """What those are told apart by: one class of the classifier."""
    build: Callable[[Any, RunFolder, Processes, dict[str, Any] | None], Run]
    """The parts of a run; the last argument is the checkpoint that it goes on from, if it does."""
    places: Callable[[Any], Iterator[Place]]
    """What has to be on the disk before a run begins."""
    start: Callable[[Any], str | None] | None
    """The model that a fine-tuning starts from; None where the task knows no fine-tuning."""
    loss: Callable[[Any], str]
    """The name of the loss."""
    mhe_weights: Callable[[Any], str]
    """The weights of the energies, in words."""
    may_change: frozenset[str]
    """Settings that may differ when a run goes on."""
    after_divergence: frozenset[str]
    """Those that may differ besides when it has diverged, and would diverge again: what its message
    advises."""
    gentler: str
    """What that message advises beside the optimizer's settings."""


def of(config: RunConfig) -> Task:
    """The task of a run."""
    return TASKS[config.task]


def _build_face(
    config: FaceConfig, folder: RunFolder, processes: Processes, point: dict[str, Any] | None
) -> Run:
    from sphereface_plus.training import face

    return face.build(config, folder, processes, point)


def _face_places(config: FaceConfig) -> Iterator[Place]:
    crops = (
        "folder, manifest, list or packed set of crops; --set data.path=... names yours, and "
        "`python -m data_prep align` makes crops of photos"
    )
    yield "data.path", config.data.path, crops
    yield "data.root", config.data.root, EITHER
    if config.validation is not None:
        yield "validation.pairs", config.validation.pairs, EITHER
        yield "validation.images", config.validation.images, EITHER


def _build_image(
    config: ImageConfig, folder: RunFolder, processes: Processes, point: dict[str, Any] | None
) -> Run:
    from sphereface_plus.training import image

    return image.build(config, folder, processes)


def _image_places(config: ImageConfig) -> Iterator[Place]:
    images = f"{EITHER} of {config.data.name}'s images; --set data.path=... names yours"
    yield "data.path", config.data.path, images


TASKS = {
    "face": Task(
        title="Face recognition",
        thing="crop",
        group="identity",
        build=_build_face,
        places=_face_places,
        start=lambda config: config.init_from,
        loss=lambda config: config.loss.kind,
        mhe_weights=lambda config: f"MHE weight {config.mhe.weight:g}",
        may_change=MAY_CHANGE,
        after_divergence=GENTLER | {"mhe.weight", "loss.lambda_min"},
        gentler="a smaller mhe.weight or a larger loss.lambda_min",
    ),
    "image": Task(
        title="Image classification",
        thing="image",
        group="class",
        build=_build_image,
        places=_image_places,
        start=None,
        loss=lambda config: "softmax",
        mhe_weights=lambda config: f"MHE weights {config.mhe.hidden.weight:g}, {config.mhe.output.weight:g}",
        may_change=MAY_CHANGE | {"data.path"},  # state.restore refuses other images than it began with
        after_divergence=GENTLER | {"mhe.hidden.weight", "mhe.output.weight"},
        gentler="a longer optimizer.warmup_steps or a smaller mhe.hidden.weight",
    ),
}
"""By the name that a recipe's `task` gives it; config.TASKS holds their settings by the same names."""
