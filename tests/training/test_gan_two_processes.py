"""Two processes of torchrun (gloo) that share the batches of a generator, against one."""

import pytest
import torch

from sphereface_plus.processes import Processes
from tests.training.gan_set import batch_of, gan_config, gan_learner
from tests.two_processes import in_two_processes

# What sees its share of the batch alone, as batch normalisation does, cannot be equal.
SETTINGS = {
    "network.generator_normalisation": "layer",
    "loss": {"gradient_penalty": {}},
    "train.accumulate": 2,
}


def trained(rank, world_size):
    """Numbers of two steps, and some of each weight after them: all would not fit into the queue."""
    learner = gan_learner(gan_config(**SETTINGS), Processes(rank, world_size, torch.device("cpu")))
    logged = []
    for step in range(2):
        whole = torch.cat([part for part, _ in batch_of(seed=step)]).split(8 // (2 * world_size))
        parts = [(whole[part * world_size + rank], None) for part in range(2)]
        logged.append({name: float(value) for name, value in learner.update(parts, step).items()})
    weights = {**dict(learner.generator.named_parameters()), **dict(learner.discriminator.named_parameters())}
    return logged, {name: value.detach().flatten()[:8].tolist() for name, value in weights.items()}


@pytest.mark.slow
def test_two_processes_make_the_updates_of_one(tmp_path):
    logged, weights = trained(0, 1)
    for theirs, their_weights in in_two_processes(trained, tmp_path):
        for one, two in zip(logged, theirs, strict=True):
            assert one.keys() == two.keys()
            for name, value in one.items():
                assert two[name] == pytest.approx(value, rel=1e-3, abs=1e-5), name
        for name, value in weights.items():
            # Adam turns the rounding of a gradient near zero into a step, which is 1e-4 at most.
            difference = (torch.tensor(their_weights[name]) - torch.tensor(value)).abs()
            assert difference.max() <= 4.1e-4, name
            assert difference.mean() < 1e-5, name
