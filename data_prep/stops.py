"""Ctrl-C and SIGTERM end a command that can go on with one sentence, and its workers with it."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import click


@contextmanager
def stopped_in_a_sentence() -> Iterator[None]:
    """SIGTERM unwinds as Ctrl-C does; either exits with what to do next, with the code that shells use."""
    before = signal.signal(signal.SIGTERM, _interrupt)
    try:
        yield
    except KeyboardInterrupt as stop:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # a batch system repeats it
        click.echo("stopped: the same command continues where it stopped", err=True)
        sys.exit(128 + (stop.args[0] if stop.args else signal.SIGINT))
    finally:
        signal.signal(signal.SIGTERM, before)


def _interrupt(number: int, _: object) -> None:
    raise KeyboardInterrupt(number)
