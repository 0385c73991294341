"""`python -m ...` in a process that is forked from one that has loaded torch: its start is not tested."""

from __future__ import annotations

import multiprocessing
import os
import runpy
import sys
from collections.abc import Mapping, Sequence
from io import TextIOWrapper
from pathlib import Path

import torch

CONTEXT = multiprocessing.get_context("forkserver")
# Also the compiler, which torch imports where an optimizer is made: longer than torch itself takes.
CONTEXT.set_forkserver_preload(
    ["torch", "torch.distributed", "torch._dynamo", "sphereface_plus.training.run"]
)


class Forked:
    """Stands in for subprocess.Popen where a module writes all that it says to a file."""

    def __init__(
        self, command: Sequence[str], *, stdout: TextIOWrapper, env: Mapping[str, str], **_: object
    ) -> None:
        words = list(command[command.index("-m") + 1 :])
        arguments = (words, stdout.name, dict(env))
        self._process = CONTEXT.Process(target=_run, args=arguments)
        self._process.start()

    def poll(self) -> int | None:
        return self._process.exitcode

    @property
    def returncode(self) -> int | None:
        return self._process.exitcode

    def wait(self) -> int | None:
        self._process.join()
        return self._process.exitcode

    def kill(self) -> None:
        self._process.kill()

    def terminate(self) -> None:
        self._process.terminate()


def _run(words: list[str], said: str, environment: dict[str, str]) -> None:
    os.setsid()
    multiprocessing.set_start_method("fork", force=True)  # a server's child would make servers of its own
    with Path(said).open("a") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    os.environ.clear()
    os.environ.update(environment)
    torch.set_num_threads(int(environment.get("OMP_NUM_THREADS", "1")))  # it was read when torch was loaded
    sys.argv = words
    runpy.run_module(words[0], run_name="__main__", alter_sys=True)
