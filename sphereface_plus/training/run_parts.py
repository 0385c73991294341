"""The parts of a run, whatever its task, and where it stands."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from sphereface_plus.config import RunConfig
from sphereface_plus.data.batches import BatchSampler, Order
from sphereface_plus.data.trained_on import TrainedOn
from sphereface_plus.processes import Processes
from sphereface_plus.training.folder import RunFolder
from sphereface_plus.training.loop import Learner
from sphereface_plus.training.saving import Saver


class TrainingSet(Protocol):
    """What a run is trained on: images, of one class each (one identity, for faces) or of none."""

    path: str
    """Where it lies, for messages."""
    left_out: str
    """Which classes are not trained on, and why, in a part of a sentence; empty where all are."""
    notes: Sequence[str]
    """What is odd about the set, a sentence each."""

    @property
    def classes(self) -> list[str] | None:
        """Their names, in the order of the labels; None where the images have no labels."""
        ...

    def __len__(self) -> int: ...

    def fingerprint(self) -> str:
        """A hash over which images these are, in which order, with which labels."""
        ...

    def content(self) -> str:
        """A hash over what the image files hold; empty where it is in the fingerprint or not looked at."""
        ...

    def describe(self, index: int) -> tuple[str, int | None]:
        """What a person finds an image by, and its label."""
        ...

    def batch(self, items: list[tuple[int, int]]) -> Any:
        """One part of a batch, as the learner takes it, of (index, position). For a classifier: the images
        uint8 (B, H, W, C), augmented, and their labels (B,)."""
        ...

    def batches(self, sampler: BatchSampler) -> Iterator[Any]:
        """`batch` of each of the sampler's lists, without end."""
        ...


class Watch(Protocol):
    """Looks at the numbers that a run logs, in the main process; what it has seen is in the checkpoint."""

    def warning(self, step: int, scalars: Mapping[str, float]) -> str | None:
        """What a person should know of the training's course."""
        ...

    def state_dict(self) -> dict[str, Any]:
        """Plain data."""
        ...

    def load_state_dict(self, state: Mapping[str, Any]) -> None: ...


@dataclass
class Run:
    """The parts of a run, and where it stands."""

    config: RunConfig
    folder: RunFolder
    processes: Processes
    data: TrainingSet
    learner: Learner
    trains: str
    """What is trained, in words: its name and its parameters."""
    validation: Callable[[], dict[str, float]] | None = None
    """Gives named scalars, or raises BrokenModelError; None in the processes that do not validate."""
    validate_every: int | None = None
    """Steps between validations, the same in all processes; None for none."""
    at_checkpoint: Callable[[int], None] | None = None
    """Writes what a person looks at of the step, whenever a checkpoint was written; for the main process."""
    watch: Watch | None = None
    """What looks at the training's course."""
    notes: Sequence[str] = ()
    """What a person should know before the first step, a sentence each."""
    start: dict[str, Any] | None = None
    """The load report of a fine-tuning."""
    order: Order | None = None
    """The stream of what is trained on where it is not that of epochs."""
    trained_on: TrainedOn | None = None
    """Identities and crops, the start's among them; None where they are not faces."""
    first_step: int = 0
    best: dict[str, float] = field(default_factory=dict)
    """Step and result (tasks.Result) of the best validation so far, in the process that validates."""
    changes: list[dict[str, Any]] = field(default_factory=list)
    """Settings that were changed after a divergence: step, setting, before, now."""

    def __post_init__(self) -> None:
        self.saver = Saver(self.processes, background=self.config.train.save_in_background)
