"""A progress bar with rate and time left, for the commands that are no training."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic


@contextmanager
def progress(unit: str, total: int) -> Iterator[Callable[[int], None]]:
    """A bar, on a terminal only; what this yields is told how many of the total are done."""
    from rich.console import Console as RichConsole
    from rich.progress import MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        MofNCompleteColumn(),
        TextColumn("{task.description}  {task.fields[rate]:.0f}/s  left"),
        TimeRemainingColumn(),
    )
    terminal = RichConsole(stderr=True)
    with Progress(*columns, console=terminal, disable=not terminal.is_terminal) as bar:
        task = bar.add_task(unit, total=total, rate=0.0)
        start = monotonic()
        yield lambda done: bar.update(task, completed=done, rate=done / max(monotonic() - start, 1e-9))
