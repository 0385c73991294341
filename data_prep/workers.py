"""The same work over many items in several processes, which end with their parent, however that ends."""

from __future__ import annotations

import multiprocessing
import os
import signal
import traceback
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager, suppress
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import TypeVar

from .errors import PrepError

Item = TypeVar("Item")
Result = TypeVar("Result")


def usable_cpus() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def work(
    prepare: Callable[[], Callable[[Item], Result]], items: Iterable[Item], workers: int
) -> Generator[tuple[Item, Result]]:
    """Yields (item, result) in the order in which they are done.

    Each of the workers calls `prepare()` once, and what that returns for each of its items. One worker is
    this process itself: nothing to start, and nothing to import a second time. Closing the generator ends
    the workers. An exception in a worker is raised here. Raises PrepError where a worker is killed.
    """
    if workers == 1:
        handle = prepare()
        for item in items:
            yield item, handle(item)
        return
    crew: dict[Connection, BaseProcess] = {}
    try:
        with _signals_for_parent_only():
            for _ in range(workers):
                _hire(crew, prepare)
        queue = iter(items)
        busy: dict[Connection, Item] = {}
        _feed(list(crew), queue, busy)
        while busy:
            for connection in wait(list(busy)):
                assert isinstance(connection, Connection)
                try:
                    result, error = connection.recv()
                except (EOFError, ConnectionResetError):
                    raise PrepError(
                        "a worker process was killed, perhaps for lack of memory: "
                        "the same command with fewer --workers continues"
                    ) from None
                if error is not None:
                    raise error
                item = busy.pop(connection)
                _feed(
                    [connection], queue, busy
                )  # first of all, so that the worker does not wait for our caller
                yield item, result
    finally:
        for process in crew.values():
            process.kill()  # they listen to no other signal
        for process in crew.values():
            process.join()


def _hire(crew: dict[Connection, BaseProcess], prepare: Callable) -> None:
    # spawn: a forked copy of a process that has used torch's threads can hang. A spawned one inherits no
    # other worker's connection, so that each sees the end of its own as soon as the parent is gone.
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs, prepare), daemon=True)
    process.start()
    theirs.close()
    crew[ours] = process


def _feed(connections: list[Connection], queue: Iterator[Item], busy: dict[Connection, Item]) -> None:
    for connection, item in zip(connections, queue, strict=False):
        busy[connection] = item
        with suppress(BrokenPipeError):  # the worker is dead, which the next wait() sees
            connection.send(item)


def _serve(connection: Connection, prepare: Callable) -> None:
    """A worker's life: it ends when the parent closes the connection or is gone."""
    handle = None
    while True:
        try:
            item = connection.recv()
        except (EOFError, OSError):  # reset, where it was killed in the midst of something
            return
        try:
            handle = handle or prepare()
            answer = handle(item), None
        except Exception as error:
            error.add_note(traceback.format_exc())
            answer = None, error
        try:
            connection.send(answer)
        except OSError:
            return


@contextmanager
def _signals_for_parent_only() -> Iterator[None]:
    """Ctrl-C reaches all processes of a terminal, and a batch system's SIGTERM all of a job: workers that are
    started in this block ignore both; their parent receives them after the block."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    resource_tracker.ensure_running()  # which would unblock them when the first worker starts it
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
