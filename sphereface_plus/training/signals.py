"""Ctrl-C and SIGTERM ask a run to save and stop; asked twice, the process ends at once."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic
from types import FrameType

ECHO_SECONDS = 1.0
"""A signal so soon after the first is the same request: torchrun passes on the Ctrl-C that its processes
have from the terminal already, and `reproduce` the SIGTERM that a batch system has sent to all."""


class StopRequest:
    """Whether somebody asked the run to stop, and by which signal."""

    def __init__(self) -> None:
        self.signal: int | None = None

    def __bool__(self) -> bool:
        return self.signal is not None


@contextmanager
def stop_on_signals() -> Iterator[StopRequest]:
    """While inside, a first SIGINT or SIGTERM sets the request, and only a second one ends the process."""
    request = StopRequest()
    first_at = 0.0

    def handle(number: int, frame: FrameType | None) -> None:
        nonlocal first_at
        if request:
            if monotonic() - first_at >= ECHO_SECONDS:
                signal.signal(number, signal.SIG_DFL)
                signal.raise_signal(number)
            return
        request.signal, first_at = number, monotonic()
        if os.environ.get("RANK", "0") == "0":
            told = "told to end: " if number == signal.SIGTERM else ""  # as torchrun tells what a death left
            words = f"\n{told}stopping after this step, then saving; once more stops at once\n"
            os.write(2, words.encode())  # as print may be what the signal interrupted

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield request
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
