#!/bin/sh
# DistributedDataParallel's gradients of one input by one model are other bits in its first backward than in all later
# ones, with 4 processes of gloo: DDP puts its gradients in another order after the first, and the order in which gloo adds
# the processes' numbers hangs on their place in what it joins. One bucket for all changes nothing. So a run that is stopped
# and goes on does not repeat one that was not stopped. A communication hook that joins each gradient alone does.
. "$(dirname "$0")/setup.sh"
packages torch==2.15.0 numpy==2.4.6
cat >first.py <<'PY'
import sys
import tempfile

import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from torch.nn.parallel import DistributedDataParallel

WAYS = {"as it is": {}, "one bucket": {"bucket_cap_mb": 10**5}, "each gradient alone": {}}


def each_alone(_, bucket):
    futures = []
    for gradient in bucket.gradients():
        gradient.div_(dist.get_world_size())
        futures.append(dist.all_reduce(gradient, async_op=True).get_future())
    return torch.futures.collect_all(futures).then(lambda _: bucket.buffer())


def work(rank, meeting):
    torch.set_num_threads(1)
    dist.init_process_group("gloo", f"file://{meeting}", rank=rank, world_size=4)
    for way, options in WAYS.items():
        torch.manual_seed(0)
        layers = [part for _ in range(6) for part in (torch.nn.Linear(64, 64), torch.nn.PReLU(64))]
        model = torch.nn.Sequential(*layers)
        replica = DistributedDataParallel(model, **options)
        if way == "each gradient alone":
            replica.register_comm_hook(None, each_alone)
        images = torch.randn(8, 64, generator=torch.Generator().manual_seed(rank))
        found = []
        for _ in range(4):
            model.zero_grad()
            replica(images).square().mean().backward()
            found.append(torch.cat([parameter.grad.flatten() for parameter in model.parameters()]))
        if rank == 0:
            same = [torch.equal(one, found[-1]) for one in found]
            print(f"{way}: as in the fourth backward: {' '.join('yes' if it else 'no' for it in same)}", flush=True)
    dist.barrier()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        mp.spawn(work, (f"{folder}/meeting",), nprocs=4)
PY
output=$(venv/bin/python -W ignore first.py 2>errors || cat errors)
echo "$output"
test "$output" = "as it is: as in the fourth backward: no yes yes yes
one bucket: as in the fourth backward: no yes yes yes
each gradient alone: as in the fourth backward: yes yes yes yes"
