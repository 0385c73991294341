"""Two processes (gloo) with half a batch each keep the running statistics of one with all of it."""

from __future__ import annotations

import pytest
import torch

from sphereface_plus.losses import AdaFaceLoss, CurricularFaceLoss, SoftmaxCenterLoss
from sphereface_plus.processes import gathered
from tests.two_processes import in_two_processes

KINDS = [AdaFaceLoss, CurricularFaceLoss, SoftmaxCenterLoss]


def statistics(rank: int, num_processes: int) -> list[list[float]]:
    """The buffers of each loss after three batches of 8; each process takes its stretch of every batch."""
    torch.manual_seed(0)
    losses = [kind(5, 4).double() for kind in KINDS]
    for step in range(3):
        x, labels = 8 * torch.randn(8, 4, dtype=torch.float64), torch.randint(5, (8,))
        share = slice(rank * 8 // num_processes, (rank + 1) * 8 // num_processes)
        for loss in losses:
            loss(x[share], labels[share], step)
    return [torch.cat([buffer.flatten() for buffer in loss.buffers()]).tolist() for loss in losses]


@pytest.mark.slow
def test_two_processes_keep_the_statistics_of_one(tmp_path):
    expected = statistics(0, 1)
    for found in in_two_processes(statistics, tmp_path):
        for theirs, ours in zip(found, expected, strict=True):
            assert theirs == pytest.approx(ours, rel=1e-12)


def test_alone_a_process_has_its_own_values_without_a_gradient():
    values = torch.randn(3, 2, requires_grad=True)
    assert torch.equal(gathered(values), values)
    assert not gathered(values).requires_grad
