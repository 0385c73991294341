"""Chains of commands, each a process: the chains run side by side, a chain's commands one after the other."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

PAUSE = 0.1
"""Seconds between two looks at the processes."""


@dataclass(frozen=True)
class Command:
    """One process."""

    words: list[str]
    says: Path
    """The file that its lines are added to."""


def last_words(says: Path, code: int) -> str:
    """Why a command failed: the signal that ended it, or the last line that it said."""
    if code < 0 or code in (130, 143):  # the latter two where it has saved
        number = -code if code < 0 else code - 128
        return f"ended by signal {number} ({signal.strsignal(number)})"
    lines = says.read_text(encoding="utf-8").strip().splitlines()
    return lines[-1] if lines else "it said nothing"


Chain = Generator[Command, int, None]
"""Yields a command, and is sent its exit code once that has ended; it is closed where that was stopped."""


def run_chains(chains: Sequence[Chain], *, at_once: int, threads: int) -> None:
    """Runs them to their ends, `at_once` processes at a time of so many threads each.

    Raises what a chain raises; KeyboardInterrupt with the signal's number at SIGINT, SIGTERM or SIGHUP. In
    either case the processes are asked to end, waited for, and the chains closed: a training saves and stops.
    """
    waiting, running = list(chains), list[_Running]()
    try:
        with stop_requests() as stop:
            while waiting or running:
                if stop:
                    raise KeyboardInterrupt(stop[0])
                while waiting and len(running) < at_once:
                    chain = waiting.pop(0)
                    _begin(chain, next(chain, None), running, threads)
                time.sleep(PAUSE)
                for each in [each for each in running if each.process.poll() is not None]:
                    running.remove(each)
                    try:
                        command = each.chain.send(each.process.returncode)
                    except StopIteration:
                        command = None
                    _begin(each.chain, command, running, threads)
            if stop:  # one that came while the last chain ended
                raise KeyboardInterrupt(stop[0])
    finally:
        for each in running:
            each.process.terminate()
        for each in running:
            each.process.wait()
            each.chain.close()


@dataclass
class _Running:
    chain: Chain
    process: subprocess.Popen


def _begin(chain: Chain, command: Command | None, running: list[_Running], threads: int) -> None:
    """Nothing where the chain has ended."""
    if command is None:
        return
    with command.says.open("a", encoding="utf-8") as words:
        process = subprocess.Popen(
            command.words,
            stdout=words,
            stderr=subprocess.STDOUT,
            env=os.environ | {"OMP_NUM_THREADS": str(threads)},
            start_new_session=True,  # a Ctrl-C reaches this process, which then stops them
        )
    running.append(_Running(chain, process))


@contextmanager
def stop_requests() -> Iterator[list[int]]:
    """The signals to end that have come while inside. They are noted and not raised, so that none falls
    between the start of a process and the note of it, which would leave it training alone."""
    received: list[int] = []
    numbers = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
    # What is ignored stays so: nohup has a run outlive its terminal.
    heard = [number for number in numbers if signal.getsignal(number) is not signal.SIG_IGN]
    handlers = {number: signal.signal(number, lambda number, _: received.append(number)) for number in heard}
    try:
        yield received
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)


def processors() -> int:
    """As many as OMP_NUM_THREADS says, or those that this process may use, where the system tells."""
    asked = os.environ.get("OMP_NUM_THREADS", "")
    if asked.isdecimal() and int(asked) > 0:
        return int(asked)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
