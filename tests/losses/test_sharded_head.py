"""A head that holds half of the prototypes in each of two processes gives what one process gives."""

import pytest
import torch

from sphereface_plus.config import MHEConfig
from sphereface_plus.losses import build_loss
from sphereface_plus.processes import Processes
from sphereface_plus.training.energies import PrototypeEnergy
from tests.losses.settings import C, D, config_of, make
from tests.losses.sharded_head import ShardedHead, Share
from tests.two_processes import in_two_processes

SETTINGS = [
    {"kind": "arcface"},
    {"kind": "arcface", "gradient": "detached", "unit_prototypes": True},
    {"kind": "a_softmax", "lambda_base": 0.0},
    {"kind": "a_softmax", "gradient": "caffe"},
    {"kind": "a_softmax", "gradient": "detached"},
    {"kind": "am_softmax"},
    {"kind": "softmax", "bias": True},
    {"kind": "l_softmax", "lambda_base": 0.0},
    {"kind": "adaface"},
    {"kind": "magface"},
]


def two_updates(loss, processes):
    """For each update: loss, who is right, entropy without margin, gradients by this process's embeddings of
    the mean over processes, and by the loss's parameters."""
    seen = []
    loss.begin_alike(processes)
    for step in (0, 300):
        generator = torch.Generator().manual_seed(step)
        x = 3 * torch.randn(12, D, dtype=torch.float64, generator=generator)
        share = torch.arange(12).chunk(processes.world_size)[processes.rank]
        leaf = x[share].requires_grad_()
        output = loss(leaf, share % C, step)
        plain = output.without_margin()
        loss.zero_grad()
        output.loss.backward()
        loss.join_gradients(processes)
        numbers = [processes.mean(value.detach()).tolist() for value in (output.loss, plain.cross_entropy)]
        by_x = (leaf.grad / processes.world_size).tolist()
        seen.append([*numbers, plain.right.tolist(), by_x, [p.grad.tolist() for p in loss.parameters()]])
        with torch.no_grad():
            for parameter in loss.parameters():
                parameter -= 0.01 * parameter.grad
    return seen


def sharded(rank, world_size):
    """Of each loss, its two updates and the number of prototypes that this process holds."""
    processes = Processes(rank, world_size, torch.device("cpu"))
    found = []
    for settings in SETTINGS:
        torch.manual_seed(0)
        loss = build_loss(
            config_of(settings), num_identities=C, embedding_size=D, head=ShardedHead, rows=Share()
        ).double()
        found.append((two_updates(loss, processes), len(loss.prototypes)))
    try:
        PrototypeEnergy(loss, MHEConfig(), log_every=1)
    except ValueError as error:
        return rank, found, str(error)
    return None


@pytest.mark.slow  # two processes
def test_two_processes_with_a_share_of_the_prototypes_have_the_numbers_of_one_with_all(tmp_path):
    halves = sorted(in_two_processes(sharded, tmp_path))
    assert [error for _, _, error in halves] == [
        f"an energy needs all 7 prototypes in every process, this one holds {held}" for held in (4, 3)
    ]
    for settings, (first, first_rows), (second, second_rows) in zip(
        SETTINGS, *[found for _, found, _ in halves], strict=True
    ):
        assert (first_rows, second_rows) == (4, 3)
        torch.manual_seed(0)
        expected = two_updates(make(settings).double(), Processes(0, 1, torch.device("cpu")))
        for whole, one, other in zip(expected, first, second, strict=True):
            for number in (0, 1):
                assert one[number] == other[number] == pytest.approx(whole[number], rel=1e-9), settings
            assert one[2] + other[2] == whole[2], settings
            close(one[3] + other[3], whole[3])
            for found, another, alone in zip(one[4], other[4], whole[4], strict=True):
                close(found + another, alone)


def close(found, expected):
    torch.testing.assert_close(
        torch.tensor(found).double(), torch.tensor(expected).double(), rtol=1e-9, atol=1e-12
    )


def test_centres_that_move_by_label_are_all_needed():
    with pytest.raises(ValueError, match="softmax_center needs all centres in every process"):
        build_loss(config_of({"kind": "softmax_center"}), num_identities=C, embedding_size=D, rows=Share())
