"""Processes that read crops end where the run that started them is killed, whatever made them."""

import multiprocessing
import os
import time
from pathlib import Path

import pytest
from torch.utils.data import Dataset

from sphereface_plus.data.batches import BatchSampler
from sphereface_plus.training.sets import read_batches
from tests.forked import CONTEXT


class WhoReads(Dataset):
    def __getitems__(self, indices):
        return os.getpid()


def read(method, readers):
    multiprocessing.set_start_method(method, force=True)
    multiprocessing.set_forkserver_preload([])
    batches = read_batches(WhoReads(), BatchSampler(9, 3, seed=0), workers=2, pin_memory=False)
    readers.put([next(batches), next(batches)])
    time.sleep(1000)


def lives(process):
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.slow  # processes
@pytest.mark.timeout(300)
@pytest.mark.skipif(not Path("/proc/self/stat").is_file(), reason="needs /proc")
@pytest.mark.parametrize("method", ["fork", "forkserver"])
def test_reading_processes_end_where_their_run_was_killed(method):
    said = CONTEXT.SimpleQueue()
    run = CONTEXT.Process(target=read, args=(method, said))
    run.start()
    readers = said.get()
    assert len({os.getpid(), run.pid, *readers}) == 4
    assert all(map(lives, readers))
    run.kill()
    run.join()
    while any(map(lives, readers)):  # those of a forkserver for ever, without a watch
        time.sleep(0.05)
