"""SGD of parameters of which each process holds a share: one norm, and all skip together."""

from functools import partial

import pytest
import torch

from sphereface_plus.config import OptimizerConfig
from sphereface_plus.losses.sharded_head import ShardedHead
from sphereface_plus.losses.shared_rows import SharedRows
from sphereface_plus.processes import Processes
from sphereface_plus.training.sgd import ScheduledSGD
from tests.losses.settings import C, make
from tests.two_processes import in_two_processes
from tests.whole_rows import whole

SETTINGS = OptimizerConfig(learning_rate=0.1, clip_norm=0.5)


def gradients(tensors):
    """Fixed ones of (network weight, prototypes, bias)."""
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(tensor.shape, generator=generator) for tensor in tensors]


def updates(rank, world_size):
    """Norm, prototypes and their momentum in a checkpoint after a clipped update, and the scales of fp16
    after an update in which one share overflows."""
    rows = SharedRows(C, Processes(rank, world_size, torch.device("cpu")))
    torch.manual_seed(0)
    network = torch.nn.Linear(3, 2, bias=False)
    loss = make({"kind": "softmax", "bias": True}, partial(ShardedHead, rows=rows))
    of_all = gradients([network.weight, *loss.parameters()])
    loss.hold(rows)
    sgd = ScheduledSGD(network, loss, SETTINGS)
    sgd.begin(0)
    network.weight.grad, loss.prototypes.grad, loss.bias.grad = of_all[0], *map(rows.held, of_all[1:])
    norm = sgd.unscale()
    sgd.step(norm)
    state = whole(sgd.state_dict()["optimizer"]["state"])
    momenta = [state[number]["momentum_buffer"] for number in sorted(state)]
    prototypes = whole(rows.kept(loss.prototypes.detach()))

    scaled = ScheduledSGD(network, loss, SETTINGS, precision="fp16")
    scaled.begin(0)
    scaled.scaled(torch.zeros(()))
    network.weight.grad, loss.prototypes.grad, loss.bias.grad = of_all[0], *map(rows.held, of_all[1:])
    if rank == world_size - 1:
        loss.prototypes.grad[0, 0] = torch.inf
    before, overflow = scaled.scale, scaled.unscale().item()
    scaled.skip()
    found = [norm.item(), overflow, before, scaled.scale]
    if rank == 0:
        found += [prototypes.tolist(), [momentum.tolist() for momentum in momenta]]
    return rank, found


@pytest.mark.slow
def test_two_processes_clip_by_one_norm_keep_whole_momenta_and_skip_together(tmp_path):
    _, (norm, overflow, before, after, *whole) = updates(0, 1)
    assert (overflow, after) == (torch.inf, before / 2)
    main, other = (found for _, found in sorted(in_two_processes(updates, tmp_path)))
    assert main[:4] == other[:4] == [pytest.approx(norm, rel=1e-6), overflow, before, after]
    for found, expected in zip(main[4:], whole, strict=True):
        for one, two in zip(found, expected, strict=True):
            torch.testing.assert_close(torch.tensor(one), torch.tensor(two))
