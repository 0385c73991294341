"""How far a long command is: a live line on a terminal, a line now and then in a log."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

_SECONDS_BETWEEN_LINES = 10.0


class Progressed(Protocol):
    def __call__(self, done: int, total: int, failed: int = 0) -> None: ...


@contextmanager
def show_progress(unit: str, failure: str = "") -> Iterator[Progressed]:
    """Gives progress(done, total, failed) to call after each item.

    The first call says what was done before; rate and time left are those of this run.
    unit: what is counted, such as "photos"; failure: what the failed ones are, such as "without a crop".
    """
    console = Console(stderr=True)
    bar = Progress(
        MofNCompleteColumn(),
        TextColumn(unit),
        BarColumn(),
        TextColumn("{task.fields[remark]}"),
        console=console,
        disable=not console.is_terminal,
    )
    task = bar.add_task(unit, total=None, remark="")
    start, last_line, num_calls = (0.0, 0), 0.0, 0

    def progress(done: int, total: int, failed: int = 0) -> None:
        nonlocal start, last_line, num_calls
        now = time.monotonic()
        if num_calls < 2:  # the first item waits for all that has to be loaded: the rate counts from there
            start, last_line, num_calls = (now, done), now, num_calls + 1
        remarks = []
        if done > start[1] and now > start[0]:
            rate = (done - start[1]) / (now - start[0])
            remarks += [f"{rate:.1f} a second", f"{_duration((total - done) / rate)} left"]
        if failed:
            remarks.append(f"{failed:,} {failure}")
        bar.update(task, completed=done, total=total, remark=", ".join(remarks))
        if not console.is_terminal and now - last_line >= _SECONDS_BETWEEN_LINES:
            last_line = now
            line = ", ".join([f"{done:,} of {total:,} {unit}", *remarks])
            console.print(line, highlight=False, soft_wrap=True)

    with bar:
        yield progress


def _duration(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes}:{seconds:02d}"
