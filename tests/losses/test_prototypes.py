"""First prototypes drawn in blocks, of which a process keeps its rows, are those drawn at once."""

import pytest
import torch

from sphereface_plus.losses import build_loss, prototypes
from sphereface_plus.losses.prototypes import new_prototypes, some_rows
from sphereface_plus.losses.shared_rows import SharedRows
from sphereface_plus.processes import Processes
from tests.losses.settings import config_of, make

LOSSES = [
    {"kind": "a_softmax"},
    {"kind": "softmax", "bias": True},
    {"kind": "softmax_center"},
    {"kind": "softmax_contrastive"},
    {"kind": "curricularface"},
    {"kind": "sphereface2"},
    {"kind": "triplet"},
]


@pytest.mark.parametrize("at_once", [1, 7, 16, 48, 1000])
@pytest.mark.parametrize(("classes", "size"), [(1, 3), (10, 3), (16, 16), (13, 5), (20, 64)])
def test_the_rows_of_any_block_are_those_of_all_drawn_at_once(monkeypatch, classes, size, at_once):
    monkeypatch.setattr(prototypes, "AT_ONCE", at_once)
    torch.manual_seed(5)
    whole, next_number = new_prototypes(classes, size), torch.rand(())
    for first in range(classes):
        for end in {first + 1, (first + classes + 1) // 2, classes}:
            torch.manual_seed(5)
            assert torch.equal(some_rows(new_prototypes, classes, size, slice(first, end)), whole[first:end])
            assert torch.equal(torch.rand(()), next_number)


def test_no_more_rows_are_in_memory_than_a_block_and_those_that_are_kept():
    drawn = []

    def initial(count, size):
        drawn.append(count * size)
        return new_prototypes(count, size)

    torch.manual_seed(0)
    kept = some_rows(initial, 20_000, 512, slice(9_000, 11_000))
    assert max(drawn) <= prototypes.AT_ONCE < sum(drawn) == 20_000 * 512
    torch.manual_seed(0)
    assert torch.equal(kept, new_prototypes(20_000, 512)[9_000:11_000])


@pytest.mark.parametrize("settings", LOSSES, ids=lambda settings: settings["kind"])
@pytest.mark.parametrize("rank", [0, 1, 2])
def test_a_loss_that_is_built_with_some_rows_is_one_that_held_them_after_it_had_all(settings, rank):
    rows = SharedRows(7, Processes(rank, 3, torch.device("cpu")))
    torch.manual_seed(1)
    held = build_loss(config_of(settings), num_identities=7, embedding_size=5, rows=rows)
    torch.manual_seed(1)
    cut = make(settings)
    numbers = sum(parameter.numel() for parameter in cut.parameters())
    cut.hold(rows)
    assert held.num_parameters() == cut.num_parameters() == numbers
    found, expected = held.state_dict(), cut.state_dict()
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], value) for name, value in expected.items())
    assert [p.requires_grad for p in held.parameters()] == [p.requires_grad for p in cut.parameters()]
