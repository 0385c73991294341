"""What the tests of the learner share: a batch of noise, and a learner's weights."""

import torch

from sphereface_plus.processes import Processes

IDENTITIES, BATCH = 6, 8
ALONE = Processes(0, 1, torch.device("cpu"))


def batch(parts=1):
    generator = torch.Generator().manual_seed(1)
    crops = torch.randint(0, 256, (BATCH, 32, 32, 3), dtype=torch.uint8, generator=generator)
    labels = torch.randint(0, IDENTITIES, (BATCH,), generator=generator)
    return list(zip(crops.chunk(parts), labels.chunk(parts), strict=True))


def weights(learner):
    modules = {"network": learner.network.module, "loss": learner.loss}
    return {name: v.clone() for name, v in torch.nn.ModuleDict(modules).state_dict().items()}


def largest_difference(first, second):
    return max((first[name] - second[name]).abs().max().item() for name in first)


def in_float64(learner):
    """The learner, whose network and loss compute in float64 from now on."""
    network = learner.network.module.double()
    learner.loss.double()
    prepare = learner.network.prepare
    learner.network.embed = lambda crops: network(prepare(crops).double())  # not cast to float32
    return learner
