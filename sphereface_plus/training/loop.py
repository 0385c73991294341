"""The training loop: the order in which things happen, and nothing about what is learnt.

Step s means everywhere: s updates were made before. Update s takes batch s; a log line of step s and a
validation of step s describe the weights after s updates; a checkpoint of step s continues with update s.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol

from torch import Tensor

from sphereface_plus.training.pace import Pace


class Learner(Protocol):
    """Owns modules and optimizers, and makes one update with a batch: all that a run asks of what learns."""

    def update(self, batch: Any, step: int) -> Mapping[str, float | Tensor]:
        """One update with a batch in its parts; returns what may be logged, of which tensors are read at log
        steps only.

        Raises NonFiniteError, in every process, before it would change the weights. Where a step is several
        networks' updates, earlier ones may be made by then, and the error says so.
        """
        ...

    def is_healthy(self, part: Any) -> bool:
        """Whether the models give finite numbers of one part of a batch. Changes nothing.

        The main process asks, alone, before a checkpoint: an update that broke a model is seen by the next
        one only, and after a checkpoint there may be none.
        """
        ...

    def state_dict(self) -> dict[str, Any]:
        """What a run goes on from: tensors and plain data, under other names than state.payload_of has.

        Rows of classes that a process alone holds are HeldRows (held_rows.py).
        """
        ...

    def state_size(self) -> int:
        """About the bytes of it in a checkpoint, others' rows among them, from the first update on, when
        optimizers have learnt (sizes.py). The same in all processes, which pass nothing to one another."""
        ...

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Takes a checkpoint's payload, of which state_dict was a part."""
        ...


def train(
    learner: Learner,
    batches: Iterator[Any],
    *,
    first_step: int,
    last_step: int,
    log: Callable[[int, dict[str, float]], None],
    log_every: int,
    validate: Callable[[int], dict[str, float]],
    validate_every: int | None,
    save: Callable[[int], None],
    save_every: int,
    should_stop: Callable[[], bool],
    pace: Pace,
) -> int:
    """Makes the updates first_step .. last_step - 1; returns the step reached, last_step unless stopped.

    batches yields batch first_step first. There is a validation before update 0, every `validate_every` steps
    and after the last update, or none at all; a checkpoint every `save_every` steps and where the loop ends.
    """
    step = first_step
    while True:
        with pace.paused():
            if validate_every and (step % validate_every == 0 or step == last_step):
                log(step, validate(step))
            ends = step == last_step or should_stop()
            if ends or (step % save_every == 0 and step > first_step):
                save(step)
        if ends:
            return step
        with pace.waiting():
            batch = next(batches)
        scalars = learner.update(batch, step)
        pace.step_done(step)
        if step % log_every == 0:
            log(step, {name: float(value) for name, value in scalars.items()} | pace.read())
        step += 1
