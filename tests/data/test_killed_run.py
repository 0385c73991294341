"""Processes that read crops end where the run that started them is killed, whatever made them."""

import multiprocessing
import os
import time
from pathlib import Path

import pytest
from torch.utils.data import Dataset

from sphereface_plus.data.batches import loader
from tests.forked import CONTEXT


class WhoReads(Dataset):
    def __getitems__(self, indices):
        return os.getpid()


def read(method, readers):
    multiprocessing.set_start_method(method, force=True)
    multiprocessing.set_forkserver_preload([])
    batches = iter(loader(WhoReads(), [[(0, 0)]] * 9, workers=1))
    readers.put(next(batches))
    time.sleep(1000)


def lives(process):
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.slow  # processes
@pytest.mark.skipif(
    not Path("/proc/self/stat").is_file(), reason="whether a process lives is read from /proc"
)
@pytest.mark.parametrize("method", ["fork", "forkserver"])
def test_a_reading_process_ends_where_its_run_was_killed(method):
    readers = CONTEXT.SimpleQueue()
    run = CONTEXT.Process(target=read, args=(method, readers))
    run.start()
    reader = readers.get()
    assert lives(reader)
    run.kill()
    run.join()
    while lives(reader):  # for ever, without the watch
        time.sleep(0.05)
