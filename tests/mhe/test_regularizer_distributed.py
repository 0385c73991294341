"""Two processes (gloo) under DistributedDataParallel against one: the same loss, the same weights."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from sphereface_plus.mhe import EnergyTerm, MHERegularizer
from tests.two_processes import in_two_processes

STEPS = 3


def train(rank: int, num_processes: int) -> tuple[list[float], list[torch.Tensor]]:
    """Penalties and final weights; each process takes its share of every batch of 8."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 36, 4))
    batches = [(torch.randn(8, 3, 8, 8), torch.randint(4, (8,))) for _ in range(STEPS)]
    replica = DistributedDataParallel(model) if num_processes > 1 else model
    regularizer = MHERegularizer(replica, hidden=EnergyTerm(10.0, half_space=True, neurons=5))
    assert regularizer.layer_names == {"mhe/hidden": ["0"], "mhe/output": ["3"]}
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    penalties = []
    for step, (images, labels) in enumerate(batches):
        optimizer.zero_grad()
        penalty = regularizer.penalty(step)
        share = slice(rank, None, num_processes)
        loss = nn.functional.cross_entropy(replica(images[share]), labels[share]) + penalty
        loss.backward()
        optimizer.step()
        penalties.append(penalty.item())
    return penalties, [parameter.detach() for parameter in model.parameters()]


def plain_train(rank: int, num_processes: int) -> tuple[list[float], list[list]]:
    penalties, weights = train(rank, num_processes)
    return penalties, [weight.tolist() for weight in weights]


@pytest.mark.slow
def test_two_processes_make_the_steps_of_one(tmp_path):
    penalties, weights = train(0, 1)
    for their_penalties, their_weights in in_two_processes(plain_train, tmp_path):
        assert their_penalties == pytest.approx(penalties, rel=1e-5)
        for theirs, ours in zip(their_weights, weights, strict=True):
            torch.testing.assert_close(torch.tensor(theirs), ours, rtol=1e-4, atol=1e-6)
