"""A Dask cluster of processes on this machine, one for each file of tests."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.commands.on_workers import CLUSTER

SCHEDULER = """
import asyncio
from distributed import Scheduler

async def main():
    async with Scheduler(host="127.0.0.1", port=0, dashboard_address=":0") as scheduler:
        print(scheduler.address, flush=True)
        await scheduler.finished()

asyncio.run(main())
"""
WORKER = """
import asyncio, os, signal, sys
from pkgutil import resolve_name
from distributed import Worker

address, *stops_after = sys.argv[1:]

async def main():
    if stops_after:
        holder, name = resolve_name(stops_after[0]), stops_after[1]
        function = getattr(holder, name)

        def call_and_stop(*words, **options):
            function(*words, **options)
            os.kill(os.getpid(), signal.SIGSTOP)

        setattr(holder, name, call_and_stop)
    async with Worker(address, nthreads=1) as worker:
        await worker.finished()

asyncio.run(main())
"""
"""With the names of a module or class and of its function it stops when that was called once: where it is
killed does not depend on how fast it is."""


@pytest.fixture(scope="module")
def start(repository):
    """Starts a process of a script that finds ours and Dask; all are killed at the end."""
    started = []

    def start(script, *words, **options):
        path = os.pathsep.join([str(repository), str(repository / str(CLUSTER))])
        environment = {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"}
        command = [sys.executable, "-c", script, *words]
        started.append(subprocess.Popen(command, env=environment, cwd="/", **options))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture(scope="module")
def scheduler(start, repository):
    """Its address."""
    sys.path.append(str(repository / str(CLUSTER)))
    process = start(SCHEDULER, stdout=subprocess.PIPE, text=True)
    yield process.stdout.readline().strip()
    sys.path.remove(str(repository / str(CLUSTER)))


@pytest.fixture(scope="module")
def workers(start, scheduler):
    """The scheduler's address, and a worker that goes on with what is there and what is to come."""
    start(WORKER, scheduler)
    return scheduler
