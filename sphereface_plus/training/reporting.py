"""Where the loop's numbers go: the log on disk, the user's terminal, and a warning when nothing is learnt."""

from __future__ import annotations

from time import monotonic

from sphereface_plus.training import tasks
from sphereface_plus.training.console import open_console
from sphereface_plus.training.failures import ChanceLevel
from sphereface_plus.training.logs import RunLog
from sphereface_plus.training.opening import Forecast
from sphereface_plus.training.run_parts import Run
from sphereface_plus.words import plural


class Reporter:
    """Reports a run from its first step on; the main process has one."""

    def __init__(self, run: Run) -> None:
        self._watch = run.watch
        self._log = RunLog(run.folder.log, run.folder.tensorboard, first_step=run.first_step)
        self._chance = None if run.data.classes is None else ChanceLevel(len(run.data.classes))
        train, task = run.config.train, tasks.of(run.config)
        self._forecast = Forecast(run.first_step, train.steps, train.batch_size, plural(task.thing))
        self._console = open_console(
            first_step=run.first_step, last_step=train.steps, watched=task.shown(run.config)
        )

    def step(self, updates: int) -> None:
        """So many updates were made."""
        self._console.step(updates)
        expected = self._forecast.after(updates, monotonic())
        if expected is not None:
            self._console.say(expected)

    def log(self, step: int, scalars: dict[str, float]) -> None:
        """The named numbers of a step: an update's, or a validation's."""
        self._log.write(step, scalars)
        self._console.show(step, scalars)
        if self._chance is not None and "cross_entropy_without_margin" in scalars:
            warning = self._chance.warning(step, scalars["cross_entropy_without_margin"])
            if warning is not None:
                self._console.say(warning)
        if self._watch is not None and (said := self._watch.warning(step, scalars)) is not None:
            self._console.say(said)

    def close(self) -> None:
        self._console.close()
        self._log.close()


class Silent:
    """The other processes' reporter: they compute the same numbers."""

    def step(self, updates: int) -> None: ...

    def log(self, step: int, scalars: dict[str, float]) -> None: ...

    def close(self) -> None: ...
