"""A head that holds a share of the prototypes in each process gives what one process with all gives."""

from functools import partial
from itertools import chain

import pytest
import torch

from sphereface_plus.losses import streaming
from sphereface_plus.losses.dense_head import DenseHead
from sphereface_plus.losses.sampled_head import Sampling
from sphereface_plus.losses.sharded_head import ShardedHead
from sphereface_plus.losses.shared_rows import SharedRows, SharesError
from sphereface_plus.processes import Processes
from tests.losses.settings import SETTINGS, C, D, make
from tests.two_processes import in_processes

B = 12
# Contrastive pairs are those of a process's part of the batch: here that loss is its softmax alone.
KINDS = [
    settings | ({"contrastive_weight": 0.0} if settings["kind"] == "softmax_contrastive" else {})
    for settings in SETTINGS
    if settings["kind"] != "triplet"
] + [{"kind": "arcface", "unit_prototypes": True}]
SAMPLE = 6 / C
"""The five classes of the labels and one of the others: of four processes the last holds it or nothing."""
CASES = [(settings, rate) for settings in KINDS for rate in (1.0, SAMPLE)]


def two_updates(loss, processes):
    """For each update: loss and terms, who is right, entropy without margin, gradients by this process's
    embeddings of the mean over processes, and those by the loss's parameters; then the loss's state."""
    seen = []
    loss.begin_alike(processes)
    for step in (0, 300):
        generator = torch.Generator().manual_seed(step)
        x = 3 * torch.randn(B, D, dtype=torch.float64, generator=generator)
        share = torch.arange(B).chunk(processes.world_size)[processes.rank]
        leaf = x[share].requires_grad_()
        loss.begin(step, share % 5)
        output = loss(leaf, share % 5, step)  # two classes are nobody's
        plain = output.without_margin()
        loss.zero_grad()
        output.loss.backward()
        loss.join_gradients(processes)
        terms = {name: term for name, term in output.terms.items() if name != "contrastive"}
        scalars = [output.loss, plain.cross_entropy, *terms.values()]
        seen.append(
            {
                "numbers": [processes.mean(value.detach()).item() for value in scalars],
                "right": plain.right.tolist(),
                "by embeddings": leaf.grad / processes.world_size,
                **{f"by {name}": parameter.grad.clone() for name, parameter in loss.named_parameters()},
            }
        )
        with torch.no_grad():
            for parameter in loss.parameters():
                parameter -= 0.01 * parameter.grad
    return [*seen, {name: tensor.clone() for name, tensor in loss.state_dict().items()}]


def as_lists(value):
    if isinstance(value, torch.Tensor):
        return value.tolist()
    if isinstance(value, dict):
        return {name: as_lists(part) for name, part in value.items()}
    return [as_lists(part) for part in value] if isinstance(value, list) else value


def drawing(step, many, count):
    """Of the two that are not the batch's class 5, and 6 in the second update."""
    assert (many, count) == (2, 1)
    return torch.tensor([0 if step == 0 else 1])


def sharded(rank, world_size):
    """Of each loss, its two updates and the number of prototypes that this process holds."""
    streaming.CHUNK_NUMBERS["cpu"] = 2 * B  # two prototypes at a time
    processes = Processes(rank, world_size, torch.device("cpu"))
    rows = SharedRows(C, processes)
    found = []
    for settings, rate in CASES:
        torch.manual_seed(0)
        head = Sampling(
            lambda classes: partial(ShardedHead, rows=rows.among(classes)), C, rate, drawing, rows
        )
        loss = make(settings, head if rate < 1 else partial(ShardedHead, rows=rows)).double()
        loss.hold(rows)
        found.append((as_lists(two_updates(loss, processes)), len(loss.prototypes)))
    return rank, found


@pytest.mark.slow  # processes
@pytest.mark.parametrize("world_size", [1, 2, 4])
def test_processes_with_a_share_of_the_prototypes_have_the_numbers_of_one_with_all(
    world_size, tmp_path, monkeypatch
):
    if world_size == 1:  # without a process group
        monkeypatch.setitem(streaming.CHUNK_NUMBERS, "cpu", 0)
        ranks = [sharded(0, 1)[1]]
    else:
        ranks = [found for _, found in sorted(in_processes(world_size, sharded, tmp_path))]
    for (settings, rate), *shares in zip(CASES, *ranks, strict=True):
        held = [count for _, count in shares]
        assert held == {1: [7], 2: [4, 3], 4: [2, 2, 2, 1]}[world_size]
        torch.manual_seed(0)
        head = Sampling(lambda _: DenseHead, C, rate, drawing) if rate < 1 else DenseHead
        loss = make(settings, head).double()
        expected = as_lists(two_updates(loss, Processes(0, 1, torch.device("cpu"))))
        for number, whole in enumerate(expected):
            parts = [share[number] for share, _ in shares]
            for name, value in whole.items():
                apart = name.removeprefix("by ") in loss.of_classes or name in ("right", "by embeddings")
                found = [part[name] for part in parts]
                joined = list(chain(*found)) if apart else found[0]
                close(joined, value, f"{settings} of {rate:.2f}: {name}")
                assert apart or all(part == found[0] for part in found), name


def close(found, expected, what):
    found, expected = (torch.tensor(value).double() for value in (found, expected))
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-12, msg=lambda text: f"{what}: {text}")


def test_rows_are_consecutive_and_the_first_processes_have_one_more():
    of_classes = torch.arange(7)
    held = [SharedRows(7, Processes(rank, 3, torch.device("cpu"))) for rank in range(3)]
    assert [rows.held(of_classes).tolist() for rows in held] == [[0, 1, 2], [3, 4], [5, 6]]
    labels = torch.tensor([4, 0, 6, 3, 3])
    assert [[each.tolist() for each in rows.of_labels(labels)] for rows in held] == [
        [[1], [0]],
        [[0, 3, 4], [1, 0, 0]],
        [[2], [1]],
    ]


def test_classes_that_are_drawn_lie_where_their_rows_are():
    """Of 7 classes in 3 processes, 0-2, 3-4 and 5-6; labels are places among those drawn."""
    held = [SharedRows(7, Processes(rank, 3, torch.device("cpu"))) for rank in range(3)]
    some = [rows.among(torch.tensor([0, 2, 6])) for rows in held]
    assert [(rows.first, rows.end, rows.num_classes) for rows in some] == [(0, 2, 3), (2, 2, 3), (2, 3, 3)]
    labels = torch.tensor([2, 0, 1, 2])
    assert [[each.tolist() for each in rows.of_labels(labels)] for rows in some] == [
        [[1, 2], [0, 1]],
        [[], []],
        [[0, 3], [0, 0]],
    ]


def test_more_processes_than_classes_are_refused():
    with pytest.raises(SharesError, match="8 processes cannot share 7 classes: each needs one at least"):
        SharedRows(7, Processes(0, 8, torch.device("cpu")))


def test_the_smoothed_cross_entropy_is_refused():
    rows = SharedRows(C, Processes(0, 1, torch.device("cpu")))
    head = ShardedHead(torch.randn(2, D), torch.arange(2), torch.randn(C, D), rows=rows)
    with pytest.raises(ValueError, match="few classes are not shared"):
        head.smoothed_cross_entropy(smoothing=0.1, floor=0.0)
