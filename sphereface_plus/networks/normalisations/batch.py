"""Batch normalisation (arXiv:1502.03167): maps, over batch, height and width."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from sphereface_plus.networks.normalisations.normalisation import Normalisation

EPS = 2e-5
"""Chainer's, and that of the released code; its running averages keep 0.9, as torch's do."""


class BatchNorm(nn.BatchNorm2d):
    """torch's; in training over the batch of all processes, where `of_all` is given.

    torch's own SyncBatchNorm wants GPUs. The processes' shares of a batch are of equal size.
    """

    of_all: Callable[[Tensor], Tensor] | None = None
    """A tensor of this process -> those of all, stacked, differentiable (Processes.stacked). All processes
    then call `forward` and the backward together; a network that one of them uses alone has none."""

    def forward(self, input: Tensor) -> Tensor:  # torch's name, by which it may be called
        if self.of_all is None or not self.training:
            return super().forward(input)
        maps = input.float()
        variance, mean = torch.var_mean(maps, dim=(0, 2, 3), correction=0)
        means, variances = self.of_all(torch.stack([mean, variance])).unbind(1)  # (processes, C) each
        mean, variance = means.mean(0), variances.mean(0) + means.var(0, correction=0)
        self._follow(mean, variance, count=len(means) * maps.numel() // maps.shape[1])
        maps = (maps - mean[:, None, None]) * (variance + self.eps).rsqrt()[:, None, None]
        if self.affine:
            maps = maps * self.weight[:, None, None] + self.bias[:, None, None]
        return maps.to(input.dtype)

    @torch.no_grad()
    def _follow(self, mean: Tensor, variance: Tensor, count: int) -> None:
        """Moves the running statistics, whose variance is by count - 1, as torch's is."""
        assert self.running_mean is not None
        assert self.running_var is not None
        assert self.num_batches_tracked is not None
        assert self.momentum is not None
        self.num_batches_tracked.add_(1)
        self.running_mean.lerp_(mean, self.momentum)
        self.running_var.lerp_(variance * count / (count - 1), self.momentum)


def _of_maps(channels: int, factor: bool) -> nn.Module:
    return BatchNorm(channels, eps=EPS, affine=factor)


batch = Normalisation(of_maps=_of_maps, image_by_image=False)
