"""What a person sees of a running training: a live line on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from datetime import timedelta
from time import monotonic
from typing import Protocol

SECONDS_BETWEEN_PLAIN_LINES = 10.0


class Console(Protocol):
    """Where a run speaks to its user."""

    def step(self, updates: int) -> None:
        """So many updates were made."""
        ...

    def show(self, step: int, scalars: dict[str, float]) -> None:
        """A line of the log."""
        ...

    def say(self, message: str) -> None:
        """A sentence that stays."""
        ...

    def close(self) -> None: ...


def open_console(*, first_step: int, last_step: int, watched: Mapping[str, str]) -> Console:
    """A live line if stderr is a terminal, else plain lines.

    watched: the few numbers of the log that a person watches, by name, and how they are written.
    """
    if sys.stderr.isatty():
        return LiveLine(first_step, last_step, watched)
    return PlainLines(first_step, last_step, watched)


class PlainLines:
    """One line at most every ten seconds, and one for each validation."""

    def __init__(self, first_step: int, last_step: int, watched: Mapping[str, str]) -> None:
        self._first, self._last, self._updates = first_step, last_step, first_step
        self._watched = watched
        self._start = monotonic()
        self._due = self._start

    def step(self, updates: int) -> None:
        self._updates = updates

    def show(self, step: int, scalars: dict[str, float]) -> None:
        now, numbers = monotonic(), summary(scalars, self._watched)
        if not numbers or (is_update(scalars) and now < self._due):
            return
        line = f"step {step}/{self._last}  {numbers}"
        if is_update(scalars):
            self._due = now + SECONDS_BETWEEN_PLAIN_LINES
            made = self._updates - self._first
            left = (now - self._start) / max(made, 1) * (self._last - self._updates)
            line += f"  left {timedelta(seconds=round(left))}"
        self.say(line)

    def say(self, message: str) -> None:
        print(message, file=sys.stderr, flush=True)

    def close(self) -> None: ...


class LiveLine:
    """A progress line that moves with each step and carries the last log line's numbers."""

    def __init__(self, first_step: int, last_step: int, watched: Mapping[str, str]) -> None:
        from rich.console import Console as RichConsole
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        self._progress = Progress(
            MofNCompleteColumn(),
            BarColumn(bar_width=20),
            TextColumn("{task.fields[numbers]}"),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=RichConsole(stderr=True, highlight=False),
            speed_estimate_period=300,
        )
        self._watched = watched
        self._task = self._progress.add_task("train", total=last_step, completed=first_step, numbers="")
        self._progress.start()

    def step(self, updates: int) -> None:
        self._progress.update(self._task, completed=updates)

    def show(self, step: int, scalars: dict[str, float]) -> None:
        numbers = summary(scalars, self._watched)
        if is_update(scalars):
            self._progress.update(self._task, numbers=numbers)
        elif numbers:
            self.say(f"step {step}  {numbers}")

    def say(self, message: str) -> None:
        self._progress.console.print(message, markup=False, soft_wrap=True)

    def close(self) -> None:
        self._progress.stop()


def is_update(scalars: dict[str, float]) -> bool:
    """Whether a line of the log is an update's, which has the pace with it, and not a validation's."""
    return "images_per_second" in scalars


def summary(scalars: dict[str, float], watched: Mapping[str, str]) -> str:
    """The numbers of a log line that a person watches."""
    return "  ".join(text.format(scalars[name]) for name, text in watched.items() if name in scalars)
