"""What two processes with shares of the prototypes pass to each other in an update, against the plan."""

from functools import partial
from unittest import mock

import pytest
import torch
import torch.distributed as dist

from sphereface_plus.config import MHEConfig
from sphereface_plus.losses import build_loss
from sphereface_plus.losses.sampled_head import Sampling
from sphereface_plus.losses.sharded_head import ShardedHead
from sphereface_plus.losses.shared_rows import SharedRows
from sphereface_plus.plan.plan import rows_passed
from sphereface_plus.plan.prediction import NetworkCosts, Plan, traffic
from sphereface_plus.processes import Processes
from sphereface_plus.training.shared_energy import SharedPrototypeEnergy
from tests.losses.settings import config_of
from tests.two_processes import in_two_processes

C, B, D = 500, 16, 128
CASES = [
    ({"kind": "a_softmax"}, 0.0, 1.0),
    ({"kind": "a_softmax"}, 1.0, 1.0),
    ({"kind": "a_softmax"}, 1.0, 0.25),
    ({"kind": "a_softmax", "gradient": "caffe"}, 0.0, 1.0),
    ({"kind": "l_softmax"}, 0.0, 1.0),
    ({"kind": "l_softmax"}, 0.0, 0.25),
    ({"kind": "sphereface2"}, 0.0, 1.0),
    ({"kind": "sphereface2"}, 1.0, 0.25),
    ({"kind": "softmax_center"}, 0.0, 1.0),
]
"""Losses, weights of Eq. (8), and the share of the prototypes that a step sees."""


def draw(step, many, count):
    return torch.randperm(many, generator=torch.Generator().manual_seed(step))[:count]


def counted_bytes(call, world_size):
    """Of all that `call` passes, each sum twice and each gathering or scattering once (R - 1) / R of it."""
    moved = []

    def counting(function, times, whole_of):
        def counted(*arguments, **options):
            whole = whole_of(*arguments)
            moved.append(times * (world_size - 1) / world_size * whole.nbytes)
            return function(*arguments, **options)

        return counted

    with (
        mock.patch.object(dist, "all_reduce", counting(dist.all_reduce, 2, lambda value, *_: value)),
        mock.patch.object(
            dist, "all_gather_into_tensor", counting(dist.all_gather_into_tensor, 1, lambda whole, *_: whole)
        ),
        mock.patch.object(
            dist, "reduce_scatter_tensor", counting(dist.reduce_scatter_tensor, 1, lambda _, parts: parts)
        ),
    ):
        call()
    return sum(moved)


def moved_in_a_step(rank, world_size):
    processes = Processes(rank, world_size, torch.device("cpu"))
    rows = SharedRows(C, processes)
    found = []
    for settings, weight, rate in CASES:
        torch.manual_seed(0)
        head = partial(ShardedHead, rows=rows)
        if rate < 1:
            head = Sampling(
                lambda classes: partial(ShardedHead, rows=rows.among(classes)), C, rate, draw, rows
            )
        loss = build_loss(config_of(settings), num_identities=C, embedding_size=D, head=head, rows=rows)
        energies = SharedPrototypeEnergy(loss, rows, MHEConfig(weight=weight))
        x = torch.randn(B, D, generator=torch.Generator().manual_seed(rank)).requires_grad_()
        labels = torch.arange(rank * B, (rank + 1) * B)

        def step(loss=loss, energies=energies, x=x, labels=labels):
            loss.begin(0, labels)
            output = loss(x, labels, 0)
            energy = energies.of_batch(output.seen, 0)
            (output.loss if energy is None else output.loss + energy).backward()

        found.append(counted_bytes(step, world_size))
    return rank, found


@pytest.mark.slow  # processes
def test_embeddings_and_the_rows_of_eq_8_and_of_labels_are_what_is_moved(tmp_path):
    nothing = NetworkCosts(0, 0.0, 0.0)
    for _, found in in_two_processes(moved_in_a_step, tmp_path):
        for moved, (settings, weight, rate) in zip(found, CASES, strict=True):
            passed, energy = rows_passed(config_of(settings)), "batch" if weight else "none"
            plan = Plan(C, D, 2, B, head="sharded", energy=energy, rows_passed=passed, sample_rate=rate)
            planned = sum(traffic(nothing, plan).values())
            # Labels, targets and sums of an image beside them.
            assert planned < moved < 1.15 * planned, (settings, rate)
