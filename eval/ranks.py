"""A command under torchrun: process 0 runs it, and the others take shares of what is long.

    process 0                                  the others
    runs the command                           wait
    together(function, ...)         ->         function(..., processes=...), each its share
    ends well                       ->         end, too

So one process reads, aligns, writes and speaks, and no two can be of different minds. What they tell one
another goes through gloo, also where networks run on GPUs: it is counts, lists of photos, and probes.
"""

from __future__ import annotations

import io
import mmap
import os
import pickle
import sys
import traceback
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import click

from sphereface_plus.commands.ending import Commands

if TYPE_CHECKING:
    from sphereface_plus.processes import Processes

LONGEST = timedelta(days=7)
"""That others wait for process 0, which may be aligning photos. torchrun ends them if it has ended."""

_all: Processes | None = None
"""In process 0, while others wait to be asked."""


def several() -> bool:
    """Whether torchrun has started this process with others."""
    return int(os.environ.get("WORLD_SIZE", "1")) > 1


def run(command: Callable[[], object]) -> None:
    """Runs a command line, which raises SystemExit at its end; of torchrun's processes in the first. There
    it does not return."""
    if not several():
        command()
        return
    import torch
    import torch.distributed as dist

    from sphereface_plus.processes import Processes, leave

    try:
        dist.init_process_group("gloo", timeout=LONGEST)
        code = as_one(Processes(dist.get_rank(), dist.get_world_size(), torch.device("cpu")), command)
    except KeyboardInterrupt:
        code = 130
    leave(code)


def as_one(processes: Processes, command: Callable[[], object]) -> int:
    """Runs the command line with the help of all processes, each of which calls this; gives its exit code."""
    global _all
    if not processes.is_main:
        return _code_of(lambda: _followers(["follow"], obj=processes))
    _all = processes
    try:
        code = _code_of(command)
        if code == 0 and _all is not None:  # otherwise they end as this process does
            _all.mains(None)
    finally:
        _all = None
    return code


def together(function: Callable[..., Any], *arguments: Any, **here: Any) -> Any:
    """function(*arguments, processes=...) in all processes, each its share; alone, where there are no others.

    here: arguments by name for this process alone, such as a progress bar. The others call a function of the
    same module and name, with copies of the arguments; an array that is mapped from a file they map, too.
    Returns what the function returns here.
    """
    global _all
    if _all is None:
        return function(*arguments, **here)
    processes = _all
    processes.mains(_packed((function, arguments)))
    try:
        return function(*arguments, **here, processes=processes)
    except BaseException:
        _all = None  # the others are in the midst of their shares, and cannot be asked any more
        raise


def _follow(context: click.Context) -> None:
    """Takes shares until process 0 has no more; where another process has failed, ends without a word."""
    from sphereface_plus.processes import OthersEndedError

    processes: Processes = context.obj
    try:
        while (asked := processes.mains(None)) is not None:
            function, arguments = pickle.loads(asked)
            function(*arguments, processes=processes)
    except KeyboardInterrupt:
        context.exit(130)
    except OthersEndedError:
        context.exit(1)


# Errors of their shares are told as those of a command.
_followers = Commands(
    "followers", commands=[click.Command("follow", callback=click.pass_context(_follow), hidden=True)]
)


def _code_of(command: Callable[[], object]) -> int:
    """The exit code that a command line ends with; the traceback of a bug is printed."""
    try:
        command()
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except Exception:
        traceback.print_exc(file=sys.stderr)
        return 1
    return 0


def _packed(work: object) -> bytes:
    held = io.BytesIO()
    _Pickler(held, pickle.HIGHEST_PROTOCOL).dump(work)
    return held.getvalue()


class _Pickler(pickle.Pickler):
    """An array that is mapped from a file goes by its place, which may be of gigabytes."""

    def reducer_override(self, value: Any) -> Any:
        import numpy as np

        if type(value) is np.memmap and isinstance(value.base, mmap.mmap) and value.flags.c_contiguous:
            return np.memmap, (value.filename, value.dtype, "r", value.offset, value.shape)
        return NotImplemented
