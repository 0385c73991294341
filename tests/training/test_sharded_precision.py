"""Shares of the prototypes with a network in bf16, and in fp16 whose losses are scaled."""

from functools import partial

import pytest
import torch

from sphereface_plus import config
from sphereface_plus.data.crops import normalise
from sphereface_plus.losses import build_loss
from sphereface_plus.losses.sharded_head import ShardedHead
from sphereface_plus.losses.shared_rows import SharedRows
from sphereface_plus.networks import build_network
from sphereface_plus.processes import Processes
from sphereface_plus.training.classifier import build_learner
from sphereface_plus.training.shared_energy import SharedPrototypeEnergy
from tests.training.learners import ALONE, IDENTITIES, batch
from tests.two_processes import in_processes


def updates(tree, processes):
    """The log's numbers of two updates, in each precision; the first of fp16 with a scale that overflows."""
    found = []
    for precision in ("bf16", "fp16"):
        settings = config.from_dict(tree | {"train": tree["train"] | {"precision": precision}})
        torch.manual_seed(0)
        rows = SharedRows(IDENTITIES, processes)
        network = build_network(settings.network)
        size = settings.network.embedding_size
        head = partial(ShardedHead, rows=rows)
        loss = build_loss(settings.loss, num_identities=IDENTITIES, embedding_size=size, head=head)
        loss.hold(rows)
        energies = SharedPrototypeEnergy(loss, rows, settings.mhe)
        prepare = partial(normalise, spec=settings.network.input)
        learner = build_learner(network, loss, energies, prepare, settings, processes)
        if precision == "fp16":
            learner.optimizer.scaler = torch.amp.GradScaler(
                "cpu", init_scale=2.0**40, backoff_factor=2.0**-30
            )
        for step in range(2):
            part = batch(2)[processes.rank :: processes.world_size]
            scalars = learner.update(part, step)
            found.append({name: float(value) for name, value in scalars.items()})
    return found


def in_each(tree, rank, world_size):
    return updates(tree, Processes(rank, world_size, torch.device("cpu")))


@pytest.mark.slow
def test_two_processes_make_nearly_the_updates_of_one_and_skip_together(recipe, tmp_path):
    tree = recipe(**{"train.batch_size": 8})
    expected = updates(tree, ALONE)
    assert "gradient_norm" not in expected[2]  # skipped
    assert [line["loss_scale"] for line in expected[2:]] == [2.0**40, 2.0**10]
    for found in in_processes(2, partial(in_each, tree), tmp_path):
        for line, other in zip(found, expected, strict=True):
            assert line == pytest.approx(other, rel=2e-2)
