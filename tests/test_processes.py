"""One process alone, and a device that is not there."""

from __future__ import annotations

import pytest
import torch

from sphereface_plus.processes import DeviceError, start


def test_alone_nothing_is_exchanged():
    processes = start("cpu")
    value = torch.ones(3)
    assert processes.is_main
    assert processes.mean(value) is value
    assert processes.any(True)
    assert not processes.any(False)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_cuda_without_a_device_is_refused():
    with pytest.raises(DeviceError, match=r"torch finds no CUDA device here; set train\.device=auto"):
        start("cuda")
