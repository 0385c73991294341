"""What a run says about itself before its first step, and, from some measured ones, how long it will take."""

from __future__ import annotations

from datetime import timedelta

from sphereface_plus.data.trained_on import same_name
from sphereface_plus.training import tasks
from sphereface_plus.training.run_parts import Run
from sphereface_plus.training.validation import PairsValidation
from sphereface_plus.words import counted


def opening(run: Run) -> list[str]:
    """What it trains on, and what it trains, each in a line."""
    train, learner = run.config.train, run.learner
    task = tasks.of(run.config)
    things = f"{counted(len(run.data), task.thing)} of {counted(len(run.data.classes), task.group)}"
    data = f"data: {things}, {run.data.path}"
    data += f"; {run.data.left_out}" if run.data.left_out else ""
    notes = [f"note: {run.data.path}: {note}" for note in run.data.notes] + _trained_on(run)
    total = sum(parameter.numel() for parameter in learner.network.module.parameters())
    learnt = sum(p.numel() for p in learner.network.module.parameters() if p.requires_grad)
    parameters = f"{total:,} parameters" + ("" if learnt == total else f", of which {learnt:,} learn")
    head = sum(parameter.numel() for parameter in learner.loss.parameters())
    if head:
        parameters += f", and {head:,} of the {task.loss(run.config)} loss"
    return [
        data,
        *notes,
        f"network: {run.config.network.name}, {parameters}; {counted(train.steps, 'step')} of "
        f"{counted(train.batch_size, task.thing)}, on {run.processes.describe()}, in {train.precision}",
    ]


def _trained_on(run: Run) -> list[str]:
    """A note where the pairs to validate on are of people who are trained on, by their names."""
    if not isinstance(run.validation, PairsValidation):
        return []
    names = {same_name(name) for name in run.data.classes}
    common = [person for person in run.validation.people if same_name(person) in names]
    common = [person for person in common if not person.isdecimal()]  # a number means nothing in another set
    if not common:
        return []
    return [
        f"note: {len(common):,} of {counted(len(run.validation.people), 'person')} in validation.pairs are "
        "trained on, by their names: the validation accuracy is not a test; data.exclude leaves people out"
    ]


class Forecast:
    """Tells once how long the rest of a run will take, from some steps after the first, slower ones.

    batch_size: images in one update.
    """

    def __init__(
        self, first_step: int, last_step: int, batch_size: int, *, warm_up: int = 3, measured: int = 10
    ) -> None:
        self._last, self._batch_size, self._measured = last_step, batch_size, measured
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
            f"at {self._batch_size / seconds:.0f} images/s"
        )
