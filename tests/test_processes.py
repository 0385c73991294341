"""One process alone, and a device that is not there."""

from __future__ import annotations

from datetime import timedelta

import pytest
import torch
from torch.distributed import TCPStore

from sphereface_plus import processes as shared
from sphereface_plus.processes import (
    DeviceError,
    OthersEndedError,
    naming_lost_others,
    reaching_others,
    start,
)


def test_alone_nothing_is_exchanged():
    processes = start("cpu")
    value = torch.ones(3)
    assert processes.is_main
    assert processes.mean(value) is value
    assert processes.mains(value) is value
    assert processes.any(True)
    assert not processes.any(False)


def test_fp32_is_not_tf32_once_a_process_has_started(monkeypatch):
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", True)
    start("cpu")
    assert not torch.backends.cudnn.allow_tf32
    assert torch.get_float32_matmul_precision() == "highest"


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_cuda_without_a_device_is_refused():
    with pytest.raises(DeviceError, match=r"torch finds no CUDA device here; set train\.device=auto"):
        start("cuda")


def test_processes_that_do_not_answer_are_told_in_a_sentence_and_short_memory_is_not_one(monkeypatch):
    monkeypatch.setattr(shared, "SECONDS_TO_BE_ENDED", 0.0)
    message = r"another process of this torchrun does not answer any more \(Connection closed by peer\); what"
    with pytest.raises(OthersEndedError, match=message), reaching_others():
        raise RuntimeError("Connection closed by peer\nand more")
    with pytest.raises(RuntimeError, match=r"^out of memory$"), reaching_others():
        raise RuntimeError("out of memory")


def test_only_what_a_connection_says_is_taken_for_a_process_that_has_ended(monkeypatch):
    monkeypatch.setattr(shared, "SECONDS_TO_BE_ENDED", 0.0)
    reason = "[gloo/transport/tcp/pair.cc:545] Read error: Connection reset by peer"
    with pytest.raises(OthersEndedError, match="does not answer any more"), naming_lost_others():
        raise RuntimeError(reason)
    with pytest.raises(OthersEndedError, match="NCCL"), naming_lost_others():
        raise torch.distributed.DistBackendError("NCCL error: remote process exited")
    with pytest.raises(RuntimeError, match=r"^shapes differ$"), naming_lost_others():
        raise RuntimeError("shapes differ")


def test_processes_that_do_not_all_begin_are_told_in_a_sentence(monkeypatch):
    monkeypatch.setattr(shared, "LONGEST_START", timedelta(seconds=1))
    server = TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)  # torchrun's
    for name, value in {
        "TORCHELASTIC_USE_AGENT_STORE": "True",
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(server.port),
        "RANK": "1",
    }.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(OthersEndedError, match="not all of the 2 processes of this torchrun began together"):
        shared._join("gloo", 2)
