"""Runs the chains of a study side by side, until they end or somebody stops them."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sphereface_plus.reproduce.runs import stop_requests

from .chains import DIVERGED, Chain, Command
from .kept import StudyError


@dataclass
class _Running:
    chain: Chain
    command: Command
    process: subprocess.Popen


def run_chains(chains: Sequence[Chain], *, at_once: int, threads: int, say: Callable[[str], None]) -> None:
    """Runs them to their ends, `at_once` processes at a time of so many threads each.

    A chain whose command fails ends there, and the others go on. Raises StudyError with the first failure's
    last words when all have ended; KeyboardInterrupt with the signal's number at SIGINT, SIGTERM or SIGHUP,
    after the processes have saved and stopped.
    """
    waiting, running, failures = list(chains), [], []
    try:
        with stop_requests() as stop:
            while waiting or running:
                if stop:
                    raise KeyboardInterrupt(stop[0])
                while waiting and len(running) < at_once:
                    _advance(waiting.pop(0), running, threads, say)
                time.sleep(0.1)
                for each in [each for each in running if each.process.poll() is not None]:
                    running.remove(each)
                    code = each.process.returncode
                    if code == 0 or (code == DIVERGED and each.command.may_diverge):
                        _advance(each.chain, running, threads, say)
                    else:
                        failures.append(f"{each.command.what}: {_last_words(each)}")
                        say(failures[-1])
    finally:
        for each in running:
            each.process.terminate()  # a training saves and stops; the same command goes on with it
        for each in running:
            each.process.wait()
    if failures:
        raise StudyError(f"{failures[0]}; what was measured is kept, and the same command goes on")


def _advance(chain: Chain, running: list[_Running], threads: int, say: Callable[[str], None]) -> None:
    command = next(chain, None)
    if command is None:
        return
    say(command.what)
    with command.says.open("a", encoding="utf-8") as words:
        process = subprocess.Popen(
            command.words,
            stdout=words,
            stderr=subprocess.STDOUT,
            env=os.environ | {"OMP_NUM_THREADS": str(threads)},
            start_new_session=True,  # a Ctrl-C reaches this process, which then stops them
        )
    running.append(_Running(chain, command, process))


def _last_words(each: _Running) -> str:
    lines = each.command.says.read_text(encoding="utf-8").strip().splitlines()
    said = lines[-1].removeprefix("error: ") if lines else "it said nothing"
    return f"{said} (exit code {each.process.returncode}, {each.command.says})"
