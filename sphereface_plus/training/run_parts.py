"""The parts of a run, whatever its task, and where it stands."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from sphereface_plus.config import RunConfig
from sphereface_plus.data.batches import Order
from sphereface_plus.data.trained_on import TrainedOn
from sphereface_plus.processes import Processes
from sphereface_plus.training.classifier import ClassifierLearner
from sphereface_plus.training.folder import RunFolder
from sphereface_plus.training.sets import TrainingSet


@dataclass
class Run:
    """The parts of a run, and where it stands."""

    config: RunConfig
    folder: RunFolder
    processes: Processes
    data: TrainingSet
    learner: ClassifierLearner
    validation: Callable[[Callable[[Tensor], Tensor]], dict[str, float]] | None
    """Network -> named scalars; None in the processes that do not validate."""
    validate_every: int | None = None
    """Steps between validations, the same in all processes; None for none."""
    start: dict[str, Any] | None = None
    """The load report of a fine-tuning."""
    order: Order | None = None
    """The stream of crops where it is not that of epochs."""
    trained_on: TrainedOn | None = None
    """Identities and crops, the start's among them; None for images."""
    first_step: int = 0
    best: dict[str, float] = field(default_factory=dict)
    """Step and accuracy of the best validation so far."""
    changes: list[dict[str, Any]] = field(default_factory=list)
    """Settings that were changed after a divergence: step, setting, before, now."""
