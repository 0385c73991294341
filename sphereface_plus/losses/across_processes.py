"""What a loss's running statistics need when several processes share a batch: everybody's values."""

from __future__ import annotations

import torch
import torch.distributed as dist
from torch import Tensor


@torch.no_grad()
def gathered(values: Tensor) -> Tensor:
    """values (B, ...) of all processes, in the order of their ranks: (world_size * B, ...), detached.

    Each process must call it, with the same shape; alone it returns its own.
    """
    if not (dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1):
        return values.detach()
    everybodys = [torch.empty_like(values) for _ in range(dist.get_world_size())]
    dist.all_gather(everybodys, values.detach().contiguous())
    return torch.cat(everybodys)
