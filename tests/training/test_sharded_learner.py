"""Eight updates in float64 of processes with shares of the prototypes are those of one that holds all, and
so are six where each step sees a sample."""

from functools import partial

import pytest
import torch
from torch import nn

from sphereface_plus.config import MHEConfig, OptimizerConfig
from sphereface_plus.losses.rows import AllRows
from sphereface_plus.losses.sampled_head import Sampling
from sphereface_plus.losses.sharded_head import ShardedHead
from sphereface_plus.losses.shared_rows import SharedRows
from sphereface_plus.losses.streamed_head import StreamedHead
from sphereface_plus.processes import Processes
from sphereface_plus.training.classifier import ClassifierLearner
from sphereface_plus.training.energies import PrototypeEnergy
from sphereface_plus.training.network import TrainedNetwork
from sphereface_plus.training.sgd import ScheduledSGD
from sphereface_plus.training.shared_energy import SharedPrototypeEnergy
from tests.losses.settings import C, D, make
from tests.training.learners import ALONE
from tests.two_processes import in_processes
from tests.whole_rows import whole

B, PIXELS, STEPS, SAMPLED_STEPS = 12, 10, 8, 6
ENERGY, BALANCED = MHEConfig(weight=5.0), MHEConfig(weight=5.0, form="class_balanced")
PHOTOS = torch.arange(1, 1 + C)
OPTIMIZER = OptimizerConfig(learning_rate=0.02, clip_norm=0.5, warmup_steps=3)
KINDS = [
    {"kind": "a_softmax", "lambda_base": 10.0},
    {"kind": "a_softmax", "gradient": "caffe"},
    {"kind": "curricularface", "scale": 8.0},
    {"kind": "sphereface2"},
    {"kind": "softmax_center", "center_weight": 0.1},
]
MOVING = ("curricularface", "softmax_center")
SAMPLE = 4 / C
CASES = [
    *((settings, ENERGY, 1.0) for settings in KINDS),
    *((settings, ENERGY, SAMPLE) for settings in KINDS if settings["kind"] not in MOVING),
    ({"kind": "am_softmax"}, BALANCED, 1.0),
    ({"kind": "am_softmax"}, BALANCED, SAMPLE),
]
"""Losses, energies, and the share of the prototypes that a step sees: all, or four of them."""


def draw(step, many, count):
    return torch.randperm(many, generator=torch.Generator().manual_seed(step))[:count]


def head_of(rate, rows):
    def among(classes):
        if rows is None:
            return StreamedHead
        return partial(ShardedHead, rows=rows if classes is None else rows.among(classes))

    return among(None) if rate == 1 else Sampling(among, C, rate, draw, AllRows() if rows is None else rows)


def learner_of(settings, energy, rate, processes, rows=None):
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(PIXELS, 8), nn.PReLU(), nn.Linear(8, D)).double()
    loss = make(settings, head_of(rate, rows)).double()
    if rows is None:
        energies = PrototypeEnergy(loss, energy, log_every=5, photos_of_class=PHOTOS)
    else:
        loss.hold(rows)
        energies = SharedPrototypeEnergy(loss, rows, energy, photos_of_class=PHOTOS)
    trained = TrainedNetwork(network, lambda images: images, processes)
    trained.embed = lambda images: trained.replica(images)  # not cast to float32
    sgd = ScheduledSGD(network, loss, OPTIMIZER)
    return ClassifierLearner(
        trained, loss, energies=energies, optimizer=sgd, processes=processes, measure_every=5
    )


def updates(settings, energy, rate, processes, rows=None):
    """The log's numbers of each update, and the state after the last as a checkpoint has it."""
    learner = learner_of(settings, energy, rate, processes, rows)
    log = []
    for step in range(STEPS if rate == 1 else SAMPLED_STEPS):
        generator = torch.Generator().manual_seed(step)
        images = torch.randn(B, PIXELS, dtype=torch.float64, generator=generator)
        people = torch.randperm(C, generator=generator)[: C if rate == 1 else 3]
        labels = people[torch.randint(len(people), (B,), generator=generator)]
        # Four parts, accumulated; of losses whose statistics move once a part one in each process.
        parts = processes.world_size if settings["kind"] in MOVING else 4
        every = slice(processes.rank, None, processes.world_size)
        batch = list(zip(images.chunk(parts)[every], labels.chunk(parts)[every], strict=True))
        log.append({name: float(value) for name, value in learner.update(batch, step).items()})
    state = whole(learner.state_dict())
    momenta = {n: one["momentum_buffer"] for n, one in state["optimizer"]["state"].items()}
    return log, {"network": state["network"], "loss": state["loss"], "momentum": momenta}


def sharded(rank, world_size):
    processes = Processes(rank, world_size, torch.device("cpu"))
    found = []
    for settings, energy, rate in CASES:
        log, state = updates(settings, energy, rate, processes, SharedRows(C, processes))
        found.append((log, as_lists(state) if rank == 0 else None))
    return rank, found


def comparable(line):
    """Without the angle, which shares do not measure; the share of right ones, a float32, as their number."""
    return {
        name: round(B * value) if name == "accuracy_without_margin" else value
        for name, value in line.items()
        if name != "mhe/smallest_angle_degrees"
    }


def as_lists(state):
    return {part: {n: tensor.tolist() for n, tensor in of.items()} for part, of in state.items()}


@pytest.mark.slow  # processes
@pytest.mark.parametrize("world_size", [1, 2, 4])
def test_updates_of_shares_are_those_of_one_process_with_all_prototypes(world_size, tmp_path):
    ranks = [sharded(0, 1)] if world_size == 1 else sorted(in_processes(world_size, sharded, tmp_path))
    for number, (settings, energy, rate) in enumerate(CASES):
        log, state = updates(settings, energy, rate, ALONE)
        _, whole = ranks[0][1][number]
        for part, tensors in as_lists(state).items():
            assert whole[part].keys() == tensors.keys()
            for name, values in tensors.items():
                torch.testing.assert_close(
                    torch.tensor(whole[part][name], dtype=torch.float64),
                    torch.tensor(values, dtype=torch.float64),
                    rtol=1e-8,
                    atol=1e-10,
                    msg=lambda text, what=(settings, rate, part, name): f"{what}: {text}",
                )
        for _, found in ranks:
            for line, expected in zip(found[number][0], log, strict=True):
                wanted = pytest.approx(comparable(expected), rel=1e-8, abs=1e-10)
                assert comparable(line) == wanted, (settings, rate)
