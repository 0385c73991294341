"""The exponential moving average of a generator, whose samples are better than the generator's own."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from sphereface_plus.networks.sngan import SNGANGenerator


@torch.no_grad()
def follow(average: nn.Module, network: nn.Module, keep: float) -> None:
    """Moves the average: each weight keeps this share of itself. Other state is the network's; running
    statistics among it, which are not those of the average's weights (take_statistics)."""
    for mean, now in zip(average.parameters(), network.parameters(), strict=True):
        mean.lerp_(now, 1 - keep)
    for mean, now in zip(average.buffers(), network.buffers(), strict=True):
        mean.copy_(now)


@torch.no_grad()
def take_statistics(generator: nn.Module, batches: Iterable[Tensor]) -> None:
    """Makes the running statistics of batch normalisation anew: their means over batches (B, Z) of noise;
    right after a dense layer those of all noise.

    A mixture of many generators' weights has smaller maps than each of them: with their statistics its early
    samples are flat. Leaves the generator in evaluation mode.
    """
    norms = [module for module in generator.modules() if isinstance(module, _BatchNorm)]
    if norms:
        generator.eval()
        known = _of_all_noise(generator)
        learnt = [norm for norm in norms if norm is not known]
        momenta = [norm.momentum for norm in learnt]
        generator.train()
        if known is not None:
            known.eval()
        for norm in learnt:
            norm.reset_running_stats()
            norm.momentum = None  # the plain mean of all batches
        for batch in batches:
            generator(batch)
        for norm, momentum in zip(learnt, momenta, strict=True):
            norm.momentum = momentum
    generator.eval()


def _of_all_noise(generator: nn.Module) -> _BatchNorm | None:
    """Sets what is known without a draw, and returns where: a dense unit w . z + b of noise z from N(0, 1)
    has mean b and variance |w|^2. It gives one number an image, where a channel of maps gives many."""
    if not (isinstance(generator, SNGANGenerator) and isinstance(generator.dense_norm, _BatchNorm)):
        return None
    norm, dense = generator.dense_norm, generator.dense
    norm.reset_running_stats()
    assert norm.running_mean is not None
    assert norm.running_var is not None
    if dense.bias is not None:
        norm.running_mean.copy_(dense.bias)
    norm.running_var.copy_(dense.weight.square().sum(dim=1))
    return norm
