"""Work in several processes: all of it, errors as they are, and no process left behind."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from collections.abc import Callable
from contextlib import closing
from functools import partial

import pytest

from data_prep.errors import PrepError
from data_prep.workers import usable_cpus, work

# What the processes run must be importable there, which a test file is not: plain functions of the library.


def test_every_item_is_done_once_by_any_number_of_workers():
    for workers in (1, 2):
        assert dict(work(partial(partial, divmod, 100), range(1, 9), workers)) == {
            item: divmod(100, item) for item in range(1, 9)
        }


def test_no_item_is_no_work():
    assert list(work(partial(partial, abs), [], 2)) == []


def test_prepare_is_called_once_a_process():
    calls = []

    def prepare() -> Callable[[int], int]:
        calls.append(1)
        return lambda item: -item

    assert list(work(prepare, [1, 2, 3], 1)) == [(1, -1), (2, -2), (3, -3)]
    assert len(calls) == 1


def test_an_error_in_a_worker_is_raised_here_with_its_own_traceback():
    for workers in (1, 2):
        with pytest.raises(ZeroDivisionError) as error:
            list(work(partial(partial, divmod, 100), [1, 0], workers))
    assert "_serve" in error.value.__notes__[0]


def test_an_error_while_a_worker_prepares_is_raised_here():
    with pytest.raises(ValueError, match="invalid literal"):
        list(work(partial(int, "x"), [1], 2))


def test_a_killed_worker_is_named_and_no_process_is_left():
    with pytest.raises(PrepError, match="a worker process was killed, perhaps for lack of memory"):
        list(work(partial(partial, signal.raise_signal), [signal.SIGKILL], 2))
    assert not _children()


def test_closing_ends_workers_that_are_still_at_work():
    started = time.monotonic()
    with closing(work(partial(partial, time.sleep), [0, 60, 60, 60], 2)) as results:
        next(results)
    assert time.monotonic() - started < 30
    assert not _children()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_workers_leave_signals_to_their_parent(number):
    before = signal.getsignal(number)
    # A worker that heard it would die of it, and the work with it.
    assert list(work(partial(partial, signal.raise_signal), [number], 2)) == [(number, None)]
    assert signal.getsignal(number) is before
    assert number not in signal.pthread_sigmask(signal.SIG_BLOCK, [])


def test_there_is_at_least_one_usable_processor():
    assert 1 <= usable_cpus() <= (os.cpu_count() or 1)


def _children() -> list[int]:
    return [child.pid for child in multiprocessing.active_children()]
