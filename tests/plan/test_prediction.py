"""The plan's formulas against what heads multiply, and against numbers made by hand."""

from dataclasses import replace

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from sphereface_plus.losses import ASoftmaxLoss
from sphereface_plus.losses.dense_head import DenseHead
from sphereface_plus.losses.sampled_head import Sampling
from sphereface_plus.losses.streamed_head import StreamedHead
from sphereface_plus.mhe import sampled_classifier_energy
from sphereface_plus.plan.prediction import NetworkCosts, Plan, Rates, flop, memory, seconds, traffic

COSTS = NetworkCosts(parameters=1000, kept_bytes=50.0, flop=7.0)
C, B, D = 400, 16, 8


def of_addmm(total, left, right, *_, **__):
    """torch's counter knows addmm, and not the one in place."""
    return 2 * left[0] * left[1] * right[1]


def draw(step, many, count):
    return torch.randperm(many, generator=torch.Generator().manual_seed(step))[:count]


@pytest.mark.parametrize("energy", [False, True])
@pytest.mark.parametrize(
    ("head", "make", "sample_rate"),
    [
        ("dense", DenseHead, 1.0),
        ("streamed", StreamedHead, 1.0),
        ("streamed", Sampling(lambda _: StreamedHead, C, 0.25, draw), 0.25),
    ],
)
def test_a_head_multiplies_as_much_as_is_planned(head, make, sample_rate, energy):
    loss = ASoftmaxLoss(C, D)
    loss.head = make
    x, labels = torch.randn(B, D).requires_grad_(), torch.arange(B)
    loss.begin(0, labels)
    with FlopCounterMode(display=False, custom_mapping={torch.ops.aten.addmm_: of_addmm}) as counter:
        output = loss(x, labels, 0)
        total = output.loss
        if energy:
            seen = output.seen
            total = total + sampled_classifier_energy(
                seen.prototypes, seen.labels, num_classes=C, certain=seen.certain
            )
        total.backward()
    pairs = "batch" if energy else "none"
    plan = Plan(C, D, 1, B, head=head, energy=pairs, sample_rate=sample_rate)
    products = flop(COSTS, plan)["head"]
    if energy:  # the plan expects some labels twice, here each is there once
        one = 2 * plan.compared * D
        products += 3 * one * (B - plan.batch_identities)
    assert counter.get_total_flops() == pytest.approx(products, rel=0.02)


def test_prototypes_without_momentum_take_less_memory_and_time():
    with_it, without = (Plan(1000, 10, 1, 32, momentum=momentum) for momentum in (True, False))
    assert memory(COSTS, with_it)["prototypes"] - memory(COSTS, without)["prototypes"] == 4 * 1000 * 10
    rates = Rates(network_flop=1, product_flop=1, memory_bytes=2, traffic_bytes=None)
    saved = seconds(COSTS, with_it, rates)["update"] - seconds(COSTS, without, rates)["update"]
    assert saved == 2 * 4 * 1000 * 10 / 2


def test_centres_are_one_table_more_and_labels_rows_pass_as_embeddings_do():
    plain = Plan(1000, 10, 4, 32, head="sharded")
    more = replace(plain, centers=True, rows_passed=2)
    assert memory(COSTS, more)["prototypes"] - memory(COSTS, plain)["prototypes"] == 4 * 250 * 10
    name = "embeddings, and their gradients"
    assert traffic(COSTS, more)[name] == 2 * traffic(COSTS, plain)[name] == 2 * 2 * 0.75 * 4 * 128 * 10


def test_the_number_of_different_identities_is_the_mean_over_random_batches():
    plan = Plan(identities=100, dimensions=1, processes=1, batch=80)
    generator = torch.Generator().manual_seed(0)
    seen = [len(torch.randint(100, (80,), generator=generator).unique()) for _ in range(400)]
    assert plan.batch_identities == pytest.approx(sum(seen) / len(seen), rel=0.01)


def test_a_sharded_plan_by_hand():
    plan = Plan(1001, 10, 4, 32, head="sharded", energy="batch")
    assert (plan.held, plan.embeddings, plan.compared) == (251, 128, 251)
    needs = memory(COSTS, plan)
    assert needs["network"] == 16 * 1000  # the gradients once more, in DDP's buckets
    assert needs["images"] == 50 * 32
    assert needs["prototypes"] == (2 + 3) * 4 * 251 * 10
    k = 1001 * (1 - (1000 / 1001) ** 128)
    assert flop(COSTS, plan) == pytest.approx({"network": 7 * 32, "head": 2 * 251 * 10 * (4 * 128 + 3 * k)})
    moved = traffic(COSTS, plan)
    assert moved["network's gradients"] == 2 * 0.75 * 4 * 1000
    assert moved["embeddings, and their gradients"] == pytest.approx(0.75 * 4 * 10 * (2 * 128 + 4 * k))


def test_processes_see_their_parts_of_one_sample():
    plan = Plan(1001, 10, 4, 32, head="sharded", energy="batch", sample_rate=0.25)
    assert plan.compared == 63  # of 250 in four processes
    of_batch = Plan(1001, 10, 4, 32, parts=5, head="sharded", sample_rate=0.25)
    assert of_batch.seen == round(1001 * (1 - (1000 / 1001) ** 640)) + 1  # more different people than 250
    assert of_batch.compared == round(of_batch.seen * 251 / 1001)
    k = 1001 * (1 - (1000 / 1001) ** 128)
    assert flop(COSTS, plan)["head"] == pytest.approx(2 * 63 * 10 * (4 * 128 + 3 * k))
    moved = traffic(COSTS, plan)["embeddings, and their gradients"]
    assert moved == pytest.approx(0.75 * 4 * 10 * (2 * 128 + 4 * k))
    assert seconds(COSTS, plan, Rates(7.0, 2.0, 40.0, 100.0))["draw"] == plan.seen / 5e6


def test_eq_8s_passes_grow_with_the_people_of_the_batch():
    """chunk_size (4 K + D) numbers, as its docstring says, and five times the batch's rows."""
    k = 20000 * (1 - (1 - 1 / 20000) ** 8192)
    streamed = Plan(20000, 512, 1, 8192, head="streamed", energy="batch")
    assert memory(COSTS, streamed)["head"] == pytest.approx(4 * (4096 * (4 * k + 512) + 5 * k * 512))
    of_all = Plan(2000, 512, 1, 32, head="streamed", energy="all")  # a chunk holds no more than there are
    assert memory(COSTS, of_all)["head"] == 4 * (2000 * (4 * 2000 + 512) + 5 * 2000 * 512)


def test_prototypes_that_all_hold_are_joined_whole_and_parts_add_up():
    plan = Plan(1000, 10, 4, 32, parts=2, head="dense")
    assert traffic(COSTS, plan)["prototypes' gradients"] == 2 * 0.75 * 4 * 1000 * 10
    assert flop(COSTS, plan)["network"] == 7 * 64
    assert flop(COSTS, plan)["head"] == 2 * 3 * 2 * 32 * 1000 * 10
    assert memory(COSTS, plan)["head"] == pytest.approx(4.2 * 4 * 32 * 1000)


def test_an_energy_of_all_pairs_multiplies_all_by_all():
    plan = Plan(1000, 10, 1, 32, head="streamed", energy="all")
    assert flop(COSTS, plan)["head"] == 2 * 1000 * 10 * (4 * 32 + 3 * 1000)


def test_a_dense_head_has_one_gradient_more_beside_an_energy():
    without, beside = (Plan(1000, 10, 1, 32, head="dense", energy=energy) for energy in ("none", "batch"))
    assert memory(COSTS, beside)["prototypes"] - memory(COSTS, without)["prototypes"] == 4 * 1000 * 10


def test_alone_nothing_is_moved():
    assert set(traffic(COSTS, Plan(1000, 10, 1, 32)).values()) == {0.0}


def test_seconds_are_amounts_over_rates():
    plan = Plan(1000, 10, 2, 32, head="streamed")
    found = seconds(COSTS, plan, Rates(7.0, 2.0, 40.0, 100.0))
    work = flop(COSTS, plan)
    assert found == pytest.approx(
        {
            "network": work["network"] / 7,
            "head": work["head"] / 2,
            "update": 5 * 4 * (1000 + 10_000) / 40,
            "traffic": (4 * 1000 + 4 * 10_000) / 100,
        }
    )
    assert "traffic" not in seconds(COSTS, plan, Rates(7.0, 2.0, 40.0, None))
