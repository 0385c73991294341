"""The shares of a work (shares.py) on the workers of a Dask cluster: what `--scheduler` does.

    dask scheduler                      on one machine
    dask worker tcp://HOST:8786 ...     on each, with this checkout on its PYTHONPATH

Each share is a task, called as the command with --shard would call it; where a worker is lost, another one
goes on with its share from what that has left in the folder OUT. The folders are one file system that all of
them see under the same paths. Dask passes functions as pickles: whoever reaches the scheduler can run code on
its workers.
"""

from __future__ import annotations

import os
import sys
import time
import uuid
from collections.abc import Callable, Iterable
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, TypeVar

import click

from sphereface_plus.errors import UserError

if TYPE_CHECKING:
    from sphereface_plus.commands.progress import Progressed
    from sphereface_plus.shares import Share

# What takes time to import is imported where it is used: --help answers at once.

Command = TypeVar("Command", bound=Callable[..., Any])
Work = Callable[..., object]
"""Called as work(share=..., progress=...); it can be pickled, and names files by absolute paths."""

SHARES_PER_THREAD = 4
"""So that a share that takes longer than others, or is lost, is a small part of the whole."""
LONGEST_HANDOVER = 300.0
"""Seconds that a share waits for the lock of a worker that was lost, which a file system may give up late."""
_BETWEEN_WORDS = 1.0
"""Seconds between two messages of a share about how far it is."""


class ClusterError(UserError):
    """A cluster that cannot do the work; the message says what to do."""


class _NotWantedError(Exception):
    """Ends a share on a worker whose command has stopped; nobody hears it."""


def cluster_options(command: Command) -> Command:
    """--scheduler and --shares, for the arguments scheduler and shares."""
    shares = click.option(
        "--shares",
        type=click.IntRange(1),
        help="Number of shares, with --scheduler.  [default: four for each thread of its workers]",
    )
    scheduler = click.option(
        "--scheduler",
        metavar="ADDRESS",
        help="Have the shares done by the workers of a Dask scheduler, such as tcp://host:8786, and join "
        "them. All need the same folders under the same paths, and pip install 'sphereface-plus[cluster]'.",
    )
    return scheduler(shares(command))


def check_cluster(
    scheduler: str | None, shares: int | None, shard: str | None, one_file: Path | None = None
) -> None:
    """Refuses options that do not go together, and a missing package, before any work.

    one_file: OUT, where the command takes it for a file, which has no shares.
    Raises click's UsageError, ShareError, ClusterError.
    """
    if scheduler is None:
        if shares is not None:
            raise click.UsageError("--shares goes with --scheduler")
        return
    if shard is not None:
        raise click.UsageError("--scheduler has all shares done; leave --shard out")
    from sphereface_plus.shares import ShareError

    if one_file is not None:
        raise ShareError(f"{one_file}: is one file, and --scheduler is for a folder OUT that several fill")
    if "WORLD_SIZE" in os.environ:
        raise ShareError("--scheduler: under torchrun each process takes a share already; leave one out")
    _distributed()


def spread(scheduler: str, work: Work, shares: int | None, unit: str, failure: str = "") -> None:
    """Has the workers do all shares of a work, with a progress bar; returns when all are done.

    unit, failure: as of show_progress. Raises ClusterError where the cluster cannot do it, and what a share
    raises, after which those at work, and any that still begin, end where they next say how far they are.
    """
    from sphereface_plus.commands.progress import show_progress
    from sphereface_plus.shares import Share

    distributed = _distributed()
    try:
        kind, _ = distributed.comm.parse_address(scheduler)
        distributed.comm.registry.get_backend(kind)  # a client of no known kind waits for itself for a minute
        client = distributed.Client(scheduler, set_as_default=False)
    except (OSError, ValueError) as error:  # ValueError: an address of no known kind
        reason = str(error).partition("\n")[0] or type(error).__name__
        raise ClusterError(f"{scheduler}: no scheduler of Dask answers there ({reason})") from None
    with client:
        threads = sum(client.nthreads().values())
        if shares is None and threads == 0:
            raise ClusterError(
                f"{scheduler}: has no workers yet; start some by `dask worker {scheduler}`, or say by "
                "--shares how many shares later ones will do"
            )
        count = shares or threads * SHARES_PER_THREAD
        topic = f"sphereface-plus-{uuid.uuid4()}"
        click.echo(f"{count:,} shares for {threads:,} threads of workers at {scheduler}", err=True)
        with show_progress(unit, failure) as progress:
            client.subscribe_topic(topic, _Told(count, progress))
            futures = [
                client.submit(_run, work, Share(number, count), topic, key=f"{topic}-{number}", pure=False)
                for number in range(1, count + 1)
            ]
            try:
                _take_all(distributed, scheduler, distributed.as_completed(futures, loop=client.loop))
            finally:
                client.cancel([future for future in futures if not future.done()])


def _take_all(distributed: ModuleType, scheduler: str, futures: Iterable[Any]) -> None:
    """In the order in which they end; raises what the first one raises."""
    for future in futures:
        _take(distributed, scheduler, future)


def _take(distributed: ModuleType, scheduler: str, future: Any) -> None:
    """Raises what stopped a share, in our words where it is the cluster."""
    try:
        future.result()
    except distributed.scheduler.KilledWorker as error:
        raise ClusterError(
            f"{scheduler}: {error.allowed_failures + 1} workers were lost at one share, perhaps for lack of "
            "memory; the same command goes on"
        ) from None
    except ModuleNotFoundError as error:
        raise ClusterError(
            f"{scheduler}: its workers cannot import {error.name}; start them with this checkout on their "
            "PYTHONPATH, and in an environment like this one"
        ) from None
    except distributed.CancelledError:
        raise ClusterError(
            f"{scheduler}: has gone, or has dropped a share; the same command goes on"
        ) from None


class _Told:
    """What the shares have said about how far they are, as one progress."""

    def __init__(self, count: int, progress: Progressed) -> None:
        self._count, self._progress = count, progress
        self._first: dict[int, int] = {}
        self._last: dict[int, tuple[int, int, int]] = {}

    def __call__(self, event: tuple[float, dict[str, int]]) -> None:
        _, said = event
        number, done, total, failed = (said[name] for name in ("number", "done", "total", "failed"))
        first = self._first.setdefault(number, done)  # what was done before is no work of this call
        self._last[number] = (done - first, total - first, failed)
        done, total, failed = (sum(each) for each in zip(*self._last.values(), strict=True))
        self._progress(done, round(total * self._count / len(self._last)), failed)  # of shares alike in size


def _run(work: Work, share: Share, topic: str) -> None:
    """A share, on a worker."""
    from sphereface_plus.path_checks import BusyError

    worker, last = _distributed().get_worker(), 0.0
    key = worker.get_current_task()

    def check() -> None:
        task = worker.state.tasks.get(key)
        if task is None or task.state == "cancelled":  # Dask lets what has begun run to its end
            raise _NotWantedError(key)

    def tell(done: int, total: int, failed: int = 0) -> None:
        nonlocal last
        check()
        now = time.monotonic()
        if done == total or now - last >= _BETWEEN_WORDS:
            last = now
            said = {"number": share.number, "done": done, "total": total, "failed": failed}
            worker.log_event(topic, said)

    end = time.monotonic() + LONGEST_HANDOVER
    while True:
        try:
            work(share=share, progress=tell)
            return
        except BusyError:
            if time.monotonic() > end:
                raise
            check()
            time.sleep(1)


def _distributed() -> ModuleType:
    try:
        return import_module("distributed")
    except ModuleNotFoundError as error:
        raise ClusterError(
            f"--scheduler needs a package that is not installed ({error.name}): "
            f"{Path(sys.executable).name} -m pip install 'sphereface-plus[cluster]'"
        ) from None
