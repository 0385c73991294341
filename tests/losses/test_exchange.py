"""What the processes of a sharded head pass to one another: each exchange's gradient, and how much it is."""

from functools import partial

import pytest
import torch
import torch.distributed as dist

from sphereface_plus import processes as shared
from sphereface_plus.losses.exchange import all_parts, own_part, summed_to_owners
from sphereface_plus.losses.sharded_head import ShardedHead
from sphereface_plus.losses.shared_rows import SharedRows
from sphereface_plus.mhe import classifier_energy
from sphereface_plus.mhe.share import Share
from sphereface_plus.processes import OthersEndedError, Processes
from tests.losses.settings import make
from tests.two_processes import in_two_processes

C, D, B = 7, 5, 6


def test_alone_nothing_is_exchanged():
    processes = Processes(0, 1, torch.device("cpu"))
    values = torch.randn(3, 2)
    assert all(exchange(values, processes) is values for exchange in (all_parts, summed_to_owners, own_part))


def exchanged(rank, world_size):
    """For each exchange: what comes out, and the gradient of a weighted sum over both processes."""
    processes = Processes(rank, world_size, torch.device("cpu"))
    found = []
    for exchange, given in (
        (all_parts, torch.tensor([1.0, 2.0]) + 10 * rank),
        (summed_to_owners, torch.tensor([1.0, 2.0, 3.0, 4.0]) * 10**rank),
        (own_part, torch.tensor([1.0, 2.0, 3.0, 4.0])),
    ):
        leaf = given.requires_grad_()
        values = exchange(leaf, processes)
        (values * torch.arange(1, 1 + len(values)) * 10**rank).sum().backward()
        found.append((values.tolist(), leaf.grad.tolist()))
    return rank, found


@pytest.mark.slow
def test_each_exchange_has_the_gradient_of_the_sum_of_the_processes_losses(tmp_path):
    first, second = (found for _, found in sorted(in_two_processes(exchanged, tmp_path)))
    everybodys = [1.0, 2.0, 11.0, 12.0]
    assert first[0] == (everybodys, [11.0, 22.0])
    assert second[0] == (everybodys, [33.0, 44.0])
    assert first[1] == ([11.0, 22.0], [1.0, 2.0, 10.0, 20.0])
    assert second[1] == ([33.0, 44.0], [1.0, 2.0, 10.0, 20.0])
    assert first[2] == ([1.0, 2.0], [1.0, 2.0, 10.0, 20.0])
    assert second[2] == ([3.0, 4.0], [1.0, 2.0, 10.0, 20.0])


def alone_after_all(rank, world_size):
    """What the first process hears in each exchange once the other has gone."""
    shared.SECONDS_TO_BE_ENDED = 0.0
    processes = Processes(rank, world_size, torch.device("cpu"))
    given = torch.ones(4, requires_grad=True)
    parts = own_part(given, processes).sum(), all_parts(given, processes).sum()
    if rank == 1:
        dist.destroy_process_group()
        return rank, []
    said = []
    for exchange in (
        *(part.backward for part in parts),
        lambda: all_parts(given, processes),
        lambda: summed_to_owners(given, processes),
    ):
        with pytest.raises(OthersEndedError) as told:
            exchange()
        said.append(str(told.value))
    return rank, said


@pytest.mark.slow
def test_a_process_that_has_gone_is_told_in_the_one_sentence(tmp_path):
    said = dict(in_two_processes(alone_after_all, tmp_path))[0]
    assert len(said) == 4
    assert all(text.startswith("another process of this torchrun does not answer any more") for text in said)


def counted(rank, world_size):
    """Numbers that a ring sends from one process in a step of A-Softmax with Eq. (8), by collective."""
    numbers = {"all_gather": 0.0, "reduce_scatter": 0.0, "all_reduce": 0.0}

    def counting(name, collective, share, operand):
        def counted(*tensors, **settings):
            numbers[name] += share * tensors[operand].numel()
            return collective(*tensors, **settings)

        return counted

    of_ring = (world_size - 1) / world_size  # of the whole tensor, gathered or to be scattered
    dist.all_gather_into_tensor = counting("all_gather", dist.all_gather_into_tensor, of_ring, 0)
    dist.reduce_scatter_tensor = counting("reduce_scatter", dist.reduce_scatter_tensor, of_ring, 1)
    dist.all_reduce = counting("all_reduce", dist.all_reduce, 2 * of_ring, 0)
    processes = Processes(rank, world_size, torch.device("cpu"))
    rows = SharedRows(C, processes)
    loss = make({"kind": "a_softmax"}, partial(ShardedHead, rows=rows))
    loss.hold(rows)
    labels = (torch.arange(B) + rank) % 5
    output = loss(torch.randn(B, D, requires_grad=True), labels, 0)
    assert output.seen is not None
    share = Share(rows.first, C, rows.total)
    energy = classifier_energy(output.seen.prototypes, output.seen.labels, share=share)
    (output.loss + energy).backward()
    return numbers


@pytest.mark.slow
def test_a_step_sends_the_numbers_that_the_docs_say(tmp_path):
    others, different = 1, 5  # R - 1, and K
    for numbers in in_two_processes(counted, tmp_path):
        assert numbers == {
            # embeddings and labels; gradients of the target's product and of the sums
            "all_gather": others * B * D + others * B + 2 * others * B,
            # the embeddings' gradients, and the target's product
            "reduce_scatter": others * B * D + others * B,
            # largest logit and sums; Eq. (8)'s prototypes and gradients, its value and that one's gradient
            "all_reduce": 4 * others * B + 2 * others * different * D + 2 * others,
        }
