"""The parts of a run, whatever its task, and where it stands."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from sphereface_plus.config import RunConfig
from sphereface_plus.data.batches import Order
from sphereface_plus.data.trained_on import TrainedOn
from sphereface_plus.processes import Processes
from sphereface_plus.training.folder import RunFolder
from sphereface_plus.training.loop import Learner
from sphereface_plus.training.sets import TrainingSet


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
    """Step and accuracy of the best validation so far."""
    changes: list[dict[str, Any]] = field(default_factory=list)
    """Settings that were changed after a divergence: step, setting, before, now."""
