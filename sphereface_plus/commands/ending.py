"""Ctrl-C and SIGTERM end a command with one sentence, and its workers with it."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import click


@contextmanager
def stopped_in_a_sentence(*, goes_on: bool = True) -> Iterator[None]:
    """SIGTERM unwinds as Ctrl-C does; either exits with what to do next, with the code that shells use.

    goes_on: whether the command keeps what is done.
    """
    before = signal.signal(signal.SIGTERM, _interrupt)
    try:
        yield
    except KeyboardInterrupt as stop:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # a batch system repeats it
        words = "continues where it stopped" if goes_on else "starts from the beginning"
        click.echo(f"stopped: the same command {words}", err=True)
        sys.exit(128 + (stop.args[0] if stop.args else signal.SIGINT))
    finally:
        signal.signal(signal.SIGTERM, before)


def _interrupt(number: int, _: object) -> None:
    raise KeyboardInterrupt(number)
