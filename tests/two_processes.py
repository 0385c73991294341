"""A function run by the processes of one gloo group, as torchrun would start them."""

from functools import partial

import torch
import torch.distributed as dist
from torch.multiprocessing.spawn import start_processes

from sphereface_plus.processes import leave
from tests.forked import CONTEXT


def in_processes(world_size, function, folder):
    """What function(rank, world_size) returns in each process, plain data; function stands in a module.

    folder: an empty one, where they find one another: a port could be somebody else's.
    """
    results = CONTEXT.SimpleQueue()
    arguments = (function, world_size, str(folder / "group"), results)
    processes = start_processes(_process, arguments, nprocs=world_size, join=False, start_method="forkserver")
    assert processes is not None  # as they are not joined
    found = []
    while not processes.join(0.05):  # a pipe holds little: what does not fit waits for its reader
        while not results.empty():
            found.append(results.get())
    found += [results.get() for _ in range(world_size - len(found))]
    return found


in_two_processes = partial(in_processes, 2)


def _process(rank, function, world_size, meeting, results):
    torch.set_num_threads(1)
    dist.init_process_group("gloo", f"file://{meeting}", rank=rank, world_size=world_size)
    results.put(function(rank, world_size))
    leave(0)  # the plain end aborts now and then
