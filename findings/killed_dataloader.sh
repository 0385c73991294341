#!/bin/sh
# torch's DataLoader: where the process that reads from it is killed, its workers end within seconds if they were forked,
# and stay if a forkserver made them: each looks at its parent's number, which is the server's, and the server lives as
# long as they do. By Python's documentation a forkserver is the default on Linux from 3.14 on.
. "$(dirname "$0")/setup.sh"
packages torch==2.15.0 numpy==2.4.6
cat >reads.py <<'PY'
import os
import sys
import time

import torch
from torch.utils.data import DataLoader, Dataset


class Numbers(Dataset):
    def __len__(self):
        return 1000

    def __getitem__(self, index):
        return os.getpid()


if __name__ == "__main__":
    torch.set_num_threads(1)
    batches = iter(DataLoader(Numbers(), batch_size=1, num_workers=2, multiprocessing_context=sys.argv[1]))
    print(next(batches).item(), next(batches).item(), flush=True)
    time.sleep(1000)
PY
cat >kill.py <<'PY'
import os
import signal
import subprocess
import sys
import time


def alive(worker):
    try:
        with open(f"/proc/{worker}/stat") as stat:
            return stat.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def left_after(seconds, method):
    """How many of two workers live so long after their reader was killed, or when both are gone."""
    reader = subprocess.Popen([sys.executable, "reads.py", method], stdout=subprocess.PIPE, text=True)
    workers = [int(worker) for worker in reader.stdout.readline().split()]
    assert len(set(workers)) == 2 and all(map(alive, workers))
    reader.kill()
    reader.wait()
    end = time.monotonic() + seconds
    while any(map(alive, workers)) and time.monotonic() < end:
        time.sleep(0.1)
    left = [worker for worker in workers if alive(worker)]
    for worker in left:
        os.kill(worker, signal.SIGKILL)
    return len(left)


forked, served = left_after(40, "fork"), left_after(60, "forkserver")
print(f"of two workers {forked} are left 40 seconds after the kill by fork, and {served} after 60 by forkserver")
assert (forked, served) == (0, 2)
PY
venv/bin/python kill.py
