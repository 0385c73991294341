"""A function run by two processes of one gloo group, as torchrun would start them."""

import torch
import torch.distributed as dist
from torch.multiprocessing.spawn import start_processes

from sphereface_plus.processes import leave
from tests.forked import CONTEXT


def in_two_processes(function, folder):
    """What function(rank, 2) returns in each of two processes, plain data; function stands in a module.

    folder: an empty one, where the two find each other: a port could be somebody else's.
    """
    results = CONTEXT.SimpleQueue()
    arguments = (function, str(folder / "group"), results)
    processes = start_processes(_process, arguments, nprocs=2, join=False, start_method="forkserver")
    assert processes is not None  # as they are not joined
    found = []
    while not processes.join(0.05):  # a pipe holds little: what does not fit waits for its reader
        while not results.empty():
            found.append(results.get())
    found += [results.get() for _ in range(2 - len(found))]
    return found


def _process(rank, function, meeting, results):
    torch.set_num_threads(1)
    dist.init_process_group("gloo", f"file://{meeting}", rank=rank, world_size=2)
    results.put(function(rank, 2))
    leave(0)  # the plain end aborts now and then
