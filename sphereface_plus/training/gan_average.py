"""The exponential moving average of a generator, whose samples are better than the generator's own."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm


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
    """Makes the running statistics of batch normalisation anew: their means over batches (B, Z) of noise.

    A mixture of many generators' weights has smaller maps than each of them: with their statistics its early
    samples are flat. Leaves the generator in evaluation mode.
    """
    norms = [module for module in generator.modules() if isinstance(module, _BatchNorm)]
    if norms:
        momenta = [norm.momentum for norm in norms]
        generator.train()
        for norm in norms:
            norm.reset_running_stats()
            norm.momentum = None  # the plain mean of all batches
        for batch in batches:
            generator(batch)
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
    generator.eval()
