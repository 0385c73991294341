"""Chains of real processes: their order, how many at once, what stops them."""

import os
import signal
import sys

import pytest

from sphereface_plus.side_by_side import Command, processors, run_chains, stop_requests


def command(tmp_path, code):
    return Command([sys.executable, "-c", code], tmp_path / "says.txt")


def test_a_chains_commands_follow_each_other_and_each_is_sent_its_exit_code(tmp_path):
    codes = []

    def chain():
        codes.append((yield command(tmp_path, "print('one')")))
        codes.append((yield command(tmp_path, "print('two'); raise SystemExit(3)")))

    run_chains([chain()], at_once=2, threads=1)
    assert codes == [0, 3]
    assert (tmp_path / "says.txt").read_text() == "one\ntwo\n"


def test_only_so_many_run_at_once_with_so_many_threads_and_a_chain_may_have_no_command(tmp_path):
    running, most = [], []

    def chain(number):
        running.append(number)
        most.append(len(running))
        yield command(tmp_path, "import os; print(os.environ['OMP_NUM_THREADS'])")
        running.remove(number)

    def empty():
        yield from ()

    run_chains([empty(), *map(chain, range(5)), empty()], at_once=2, threads=3)
    assert max(most) == 2
    assert not running
    assert (tmp_path / "says.txt").read_text() == "3\n" * 5


def test_what_a_chain_raises_ends_the_others_processes_and_closes_their_chains(tmp_path):
    closed = []

    def long():
        try:
            yield command(tmp_path, "import time; print('begun', flush=True); time.sleep(1e6)")
        finally:
            closed.append(True)

    def failing():
        yield command(tmp_path, "")
        raise ValueError("no more")

    with pytest.raises(ValueError, match="no more"):
        run_chains([long(), failing()], at_once=2, threads=1)
    assert closed == [True]


def test_a_signal_stops_the_processes_which_may_save_first(tmp_path):
    code = """
import os, signal, sys, time
def save(*_):
    print("saved", flush=True)
    sys.exit(0)
signal.signal(signal.SIGTERM, save)
os.kill(os.getppid(), signal.SIGTERM)
time.sleep(1e6)
"""

    def chain():
        yield command(tmp_path, code)
        raise AssertionError("is closed, and not sent a code")

    before = signal.signal(signal.SIGTERM, lambda *_: None)  # what pytest was started with may ignore it
    try:
        with pytest.raises(KeyboardInterrupt) as stopped:
            run_chains([chain()], at_once=1, threads=1)
    finally:
        signal.signal(signal.SIGTERM, before)
    assert stopped.value.args == (signal.SIGTERM,)
    assert (tmp_path / "says.txt").read_text() == "saved\n"


def test_a_signal_that_comes_as_the_last_chain_ends_is_not_lost(tmp_path):
    def chain():
        yield command(tmp_path, "")
        os.kill(os.getpid(), signal.SIGTERM)

    before = signal.signal(signal.SIGTERM, lambda *_: None)
    try:
        with pytest.raises(KeyboardInterrupt):
            run_chains([chain()], at_once=1, threads=1)
    finally:
        signal.signal(signal.SIGTERM, before)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_each_signal_to_end_is_noted_and_its_handler_put_back(number):
    before = signal.signal(number, lambda *_: None)  # what pytest was started with may ignore it
    try:
        ours = signal.getsignal(number)
        with stop_requests() as received:
            os.kill(os.getpid(), number)
        assert received == [number]
        assert signal.getsignal(number) is ours
    finally:
        signal.signal(number, before)


def test_a_signal_that_nohup_ignores_stays_ignored():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with stop_requests() as received:
            os.kill(os.getpid(), signal.SIGHUP)
        assert received == []
    finally:
        signal.signal(signal.SIGHUP, before)


def test_the_processors_are_as_many_as_were_asked_for_or_may_be_used(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    assert processors() == 1
    monkeypatch.delenv("OMP_NUM_THREADS")
    may_use = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else range(os.cpu_count() or 1)
    assert processors() == len(may_use)
