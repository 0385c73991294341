"""Two processes of torchrun (gloo) that share the batches of a generator, against one."""

from functools import partial

import pytest
import torch

from sphereface_plus.networks.gan_normalisation import normalised_maps
from sphereface_plus.processes import Processes
from tests.training.gan_set import batch_of, gan_config, gan_learner
from tests.two_processes import in_two_processes

SETTINGS = {
    "spectral": {"loss": {"gradient_penalty": {}}},  # and batch normalisation in the generator
    "batch": {"network.discriminator_normalisation": "batch"},
    "wide": {"network.name": "chainer_gan_lib", "network.discriminator_normalisation": "layer"},
    "resnet": {"network.name": "sngan_resnet", "loss": {"kind": "hinge"}},
}


def all_trained(rank, world_size):
    return {name: trained(rank, world_size, settings) for name, settings in SETTINGS.items()}


def trained(rank, world_size, settings):
    """Numbers of two steps, some of each gradient in the first, as the update takes it, and of each
    weight and running statistic after both: all would not fit into the queue."""
    settings = gan_config(**settings, **{"train.accumulate": 2})
    learner = gan_learner(settings, Processes(rank, world_size, torch.device("cpu")))
    networks = {"generator": learner.generator, "discriminator": learner.discriminator}
    logged, gradients = [], {}
    for step in range(2):
        whole = torch.cat([part for part, _ in batch_of(seed=step)]).split(8 // (2 * world_size))
        parts = [(whole[part * world_size + rank], None) for part in range(2)]
        logged.append({name: float(value) for name, value in learner.update(parts, step).items()})
        if step == 0:  # of both: n_dis is 2
            gradients = {
                f"{network}.{name}": parameter.grad.flatten()[:8].tolist()
                for network, module in networks.items()
                for name, parameter in module.named_parameters()
            }
    if rank == 0:
        learner.state_dict()  # as at a checkpoint: the others don't wait for it
    return (
        logged,
        gradients,
        {
            f"{network}.{name}": value.float().flatten()[:8].tolist()
            for network, module in networks.items()
            for name, value in module.state_dict().items()
        },
    )


@pytest.mark.slow
def test_two_processes_make_the_updates_of_one(tmp_path):
    alone = all_trained(0, 1)
    for found in in_two_processes(all_trained, tmp_path):
        for settings, (logged, gradients, weights) in alone.items():
            theirs, their_gradients, their_weights = found[settings]
            for one, two in zip(logged, theirs, strict=True):
                assert one.keys() == two.keys()
                for name, value in one.items():
                    assert two[name] == pytest.approx(value, rel=1e-3, abs=1e-5), (settings, name)
            for name, value in gradients.items():  # before Adam, which makes steps of one size of any
                if name in biases_before_norms(settings):
                    continue
                value, theirs = torch.tensor(value), torch.tensor(their_gradients[name])
                torch.testing.assert_close(theirs, value, rtol=1e-3, atol=1e-5, msg=f"{settings}, {name}")
            for name, value in weights.items():
                # Adam turns the rounding of a gradient near zero into a step, which is 1e-4 at most; in a
                # ResNet a running mean sums the biases of all blocks before it.
                difference = (torch.tensor(their_weights[name]) - torch.tensor(value)).abs()
                many = settings == "resnet" and name.endswith("running_mean")
                assert difference.max() <= (2e-3 if many else 4.1e-4), (settings, name)
                if name not in biases_before_norms(settings) and not name.endswith("running_mean"):
                    assert difference.mean() < 1e-5, (settings, name)


def biases_before_norms(settings):
    """Of layers whose maps batch normalisation follows: they have no gradient but rounding, which Adam makes
    steps of, and the running means show."""
    if settings == "resnet":
        names = "convolutions.0", "convolutions.1", "shortcut"
        return {f"generator.blocks.{block}.{name}.bias" for block in range(3) for name in names}
    biases = {f"generator.deconvolutions.{number}.bias" for number in range(3)}
    return biases | (
        {f"discriminator.convolutions.{number}.bias" for number in range(1, 7)}
        if settings == "batch"
        else set()
    )


def normalised(rank, world_size):
    """Of one batch of 12: this process's outputs, the gradients of images and weights, running statistics."""
    torch.manual_seed(0)
    whole, weights = 3 + torch.randn(12, 2, 3, 3), torch.randn(12, 2, 3, 3)
    norm = normalised_maps(2, "batch", factor=True)
    if world_size > 1:
        norm.of_all = Processes(rank, world_size, torch.device("cpu")).stacked
    images = whole.chunk(world_size)[rank].clone().requires_grad_()
    out = norm(images)
    (out.square() * weights.chunk(world_size)[rank]).sum().backward()
    state = [norm.running_mean, norm.running_var, norm.num_batches_tracked]
    of_batch, of_all = [out.detach(), images.grad], [norm.weight.grad, norm.bias.grad]
    return [[value.tolist() for value in values] for values in (of_batch, of_all, state)]


@pytest.mark.slow
def test_batch_normalisation_of_two_processes_is_torchs_of_the_whole_batch(tmp_path):
    first, second = in_two_processes(normalised, tmp_path)
    of_batch, of_all, state = normalised(0, 1)  # torch's own
    close = partial(torch.testing.assert_close, rtol=1e-5, atol=1e-5)
    orders = (first[0], second[0]), (second[0], first[0])  # who ends first is not said
    joined = [[torch.tensor(one + two) for one, two in zip(*order, strict=True)] for order in orders]
    order = min(joined, key=lambda it: float((it[0] - torch.tensor(of_batch[0])).abs().max()))
    close(order, [torch.tensor(value) for value in of_batch])
    sums = [torch.tensor(one) + torch.tensor(two) for one, two in zip(first[1], second[1], strict=True)]
    close(sums, [torch.tensor(value) for value in of_all])
    assert first[2] == second[2]
    close([torch.tensor(value) for value in first[2]], [torch.tensor(value) for value in state])
