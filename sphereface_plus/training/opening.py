"""What a run says about itself before its first step, and, from some measured ones, how long it will take."""

from __future__ import annotations

from datetime import timedelta

from sphereface_plus.training import tasks
from sphereface_plus.training.run_parts import Run
from sphereface_plus.words import counted


def opening(run: Run) -> list[str]:
    """What it trains on, and what it trains, each in a line."""
    train, task = run.config.train, tasks.of(run.config)
    data = f"data: {task.counted(len(run.data), run.data.classes)}, {run.data.path}"
    data += f"; {run.data.left_out}" if run.data.left_out else ""
    return [
        data,
        *(f"note: {run.data.path}: {note}" for note in run.data.notes),
        *(f"note: {note}" for note in run.notes),
        f"network: {run.trains}; {counted(train.steps, 'step')} of "
        f"{counted(train.batch_size, task.thing)}, on {run.processes.describe()}, in {train.precision}",
    ]


class Forecast:
    """Tells once how long the rest of a run will take, from some steps after the first, slower ones.

    batch_size: things in one update, which `things` names in the plural.
    """

    def __init__(
        self,
        first_step: int,
        last_step: int,
        batch_size: int,
        things: str,
        *,
        warm_up: int = 3,
        measured: int = 10,
    ) -> None:
        self._last, self._batch_size, self._things, self._measured = last_step, batch_size, things, measured
        self._from = first_step + warm_up
        self._start = 0.0

    def after(self, updates: int, now: float) -> str | None:
        """The sentence, at the step where it can be told. now: seconds, of any clock that runs on."""
        if updates == self._from:
            self._start = now
        left = self._last - updates
        if updates != self._from + self._measured or left < self._measured:
            return None
        seconds = max(now - self._start, 1e-9) / self._measured
        return (
            f"expected: {timedelta(seconds=round(seconds * left))} for the {counted(left, 'step')} left, "
            f"at {self._batch_size / seconds:.0f} {self._things}/s"
        )
