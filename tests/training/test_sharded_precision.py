"""Shares of the prototypes with a network in bf16, and in fp16 whose losses are scaled: losses whose code
differs, with clipping and parts that are accumulated."""

from functools import partial

import pytest
import torch
from torch import nn

from sphereface_plus import config
from sphereface_plus.data.crops import normalise
from sphereface_plus.losses import build_loss
from sphereface_plus.losses.sharded_head import ShardedHead
from sphereface_plus.losses.shared_rows import SharedRows
from sphereface_plus.processes import Processes
from sphereface_plus.training.classifier import build_learner
from sphereface_plus.training.shared_energy import SharedPrototypeEnergy
from tests.training.learners import ALONE, IDENTITIES, batch
from tests.two_processes import in_processes
from tests.whole_rows import whole

KINDS = ("a_softmax", "curricularface", "sphereface2", "softmax_center")
CASES = [(kind, precision) for kind in KINDS for precision in ("bf16", "fp16")]
CLIP_NORM = 0.05
PARTS = 2
"""Processes have equal pieces of each, so that what a loss keeps moves as often in one process."""


def learner_of(tree, kind, precision, processes):
    train = tree["train"] | {"precision": precision}
    settings = config.from_dict(tree | {"loss": {"kind": kind}, "train": train})
    torch.manual_seed(0)
    rows, size = SharedRows(IDENTITIES, processes), settings.network.embedding_size
    layers = nn.Conv2d(3, 8, 3, stride=4), nn.PReLU(), nn.Flatten(), nn.Linear(8 * 8 * 8, size)
    network = nn.Sequential(*layers)
    head = partial(ShardedHead, rows=rows)
    loss = build_loss(settings.loss, num_identities=IDENTITIES, embedding_size=size, head=head)
    loss.hold(rows)
    energies = SharedPrototypeEnergy(loss, rows, settings.mhe)
    prepare = partial(normalise, spec=settings.network.input)
    learner = build_learner(network, loss, energies, prepare, settings, processes)
    if precision == "fp16":
        learner.optimizer.scaler = torch.amp.GradScaler("cpu", init_scale=2.0**40, backoff_factor=2.0**-30)
    return learner


def updates(tree, kind, precision, processes):
    """The log's numbers of two updates, of which fp16 skips the first, and how the weights have moved."""
    learner, log = learner_of(tree, kind, precision, processes), []
    before = whole_weights(learner)
    for step in range(2):
        parts = batch(PARTS * processes.world_size)[processes.rank :: processes.world_size]
        line = {name: float(value) for name, value in learner.update(parts, step).items()}
        line.pop("accuracy_without_margin")  # a crop more or less, where rounding decides
        log.append(line)
    return log, {name: (value - before[name]).tolist() for name, value in whole_weights(learner).items()}


def whole_weights(learner):
    state = whole(learner.state_dict())
    return {
        name: value.detach().clone() for part in ("network", "loss") for name, value in state[part].items()
    }


def in_each(tree, rank, world_size):
    processes = Processes(rank, world_size, torch.device("cpu"))
    return [updates(tree, kind, precision, processes) for kind, precision in CASES]


@pytest.mark.slow
def test_two_processes_make_nearly_the_updates_of_one_and_skip_together(recipe, tmp_path):
    tree = recipe(**{"optimizer.clip_norm": CLIP_NORM})
    of_two = in_processes(2, partial(in_each, tree), tmp_path)
    for number, case in enumerate(CASES):
        expected, moved = updates(tree, *case, ALONE)
        assert expected[1]["gradient_norm"] > 10 * CLIP_NORM
        if case[1] == "fp16":
            assert "gradient_norm" not in expected[0]  # skipped
            assert [line["loss_scale"] for line in expected] == [2.0**40, 2.0**10]
        for log, moves in (found[number] for found in of_two):
            for line, other in zip(log, expected, strict=True):
                assert line == pytest.approx(other, rel=2e-2), case
            assert moves.keys() == moved.keys()
            for name, move in moved.items():
                wanted, difference = torch.tensor(move), torch.tensor(moves[name]) - torch.tensor(move)
                assert difference.norm() < 2e-2 * wanted.norm(), (case, name)
