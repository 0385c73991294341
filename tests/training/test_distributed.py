"""Two processes (gloo) against one: the same batches, the same updates, one log."""

import os
import socket

import pytest
import torch
import torch.multiprocessing

from sphereface_plus import checkpoint
from sphereface_plus.training import distributed
from sphereface_plus.training.logs import read_log
from sphereface_plus.training.run import train


def process(rank, port, config, folder, results):
    """What torchrun does for each process."""
    os.environ |= {
        "MASTER_ADDR": "localhost",
        "MASTER_PORT": str(port),
        "WORLD_SIZE": "2",
        "RANK": str(rank),
        "LOCAL_RANK": str(rank),
    }
    torch.set_num_threads(1)
    outcome = train(config, folder)
    results.put((rank, outcome.step))
    distributed.leave(0)


@pytest.mark.slow
def test_two_processes_with_accumulation_make_the_updates_of_one(tiny, tmp_path):
    settings = {"train.steps": 4, "optimizer.milestones": [], "mhe.weight": 10.0}
    train(tiny(**settings), tmp_path / "one")
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    results = torch.multiprocessing.get_context("spawn").SimpleQueue()
    torch.multiprocessing.spawn(
        process, (port, tiny(**settings, **{"train.accumulate": 2}), tmp_path / "two", results), nprocs=2
    )
    assert sorted(results.get() for _ in range(2)) == [(0, 4), (1, 4)]
    one, two = (read_log(tmp_path / name / "log.jsonl") for name in ("one", "two"))
    assert [line["step"] for line in two] == [line["step"] for line in one] == list(range(4))
    for alone, together in zip(one, two, strict=True):
        for name in alone.keys() - {"images_per_second", "data_wait_share"}:
            assert together[name] == pytest.approx(alone[name], rel=1e-4, abs=1e-5), name
    one, two = (checkpoint.load(tmp_path / name) for name in ("one", "two"))
    for part in ("network", "loss"):
        for name, value in one[part].items():
            assert torch.allclose(two[part][name], value, rtol=0, atol=1e-5), name


def test_alone_nothing_is_exchanged():
    processes = distributed.start("cpu")
    value = torch.ones(3)
    assert processes.is_main
    assert processes.mean(value) is value
    assert processes.any(True)
    assert not processes.any(False)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_cuda_without_a_device_is_refused():
    with pytest.raises(
        distributed.DeviceError, match=r"torch finds no CUDA device here; set train\.device=auto"
    ):
        distributed.start("cuda")
