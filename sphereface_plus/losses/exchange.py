"""What processes that share a batch and hold other classes pass to one another, in the graph.

R processes have B embeddings each, A = R B in all, in the order of the ranks. Each process makes the backward
of its own loss, all of them together, and what comes out is the gradient of the sum of their losses. So each
exchange has its opposite one in its backward. Alone a process exchanges nothing, and needs no group.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from sphereface_plus.processes import Processes, gathered, reaching_others


def all_parts(values: Tensor, processes: Processes) -> Tensor:
    """(B, ...) of each process -> (A, ...), the same in each; backward adds up what each made of it."""
    return values if processes.world_size == 1 else _AllParts.apply(values, processes)  # pyright: ignore[reportReturnType]


def summed_to_owners(parts: Tensor, processes: Processes) -> Tensor:
    """(A, ...) of each process -> (B, ...): the sum of their parts, of this process's embeddings."""
    return parts if processes.world_size == 1 else _SummedToOwners.apply(parts, processes)  # pyright: ignore[reportReturnType]


def own_part(values: Tensor, processes: Processes) -> Tensor:
    """(A, ...) that is the same in all processes -> (B, ...), this one's; backward gathers all."""
    return values if processes.world_size == 1 else _OwnPart.apply(values, processes)  # pyright: ignore[reportReturnType]


def _scatter_sum(parts: Tensor, processes: Processes) -> Tensor:
    own = parts.new_empty(len(parts) // processes.world_size, *parts.shape[1:])
    with reaching_others():
        dist.reduce_scatter_tensor(own, parts.contiguous())
    return own


class _AllParts(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, values: Tensor, processes: Processes) -> Tensor:
        ctx.processes = processes
        return gathered(values)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:  # pyright: ignore[reportIncompatibleMethodOverride]
        return _scatter_sum(gradient, ctx.processes), None


class _SummedToOwners(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, parts: Tensor, processes: Processes) -> Tensor:
        ctx.processes = processes
        return _scatter_sum(parts, processes)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:  # pyright: ignore[reportIncompatibleMethodOverride]
        return gathered(gradient), None


class _OwnPart(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, values: Tensor, processes: Processes) -> Tensor:
        ctx.processes = processes
        return values.chunk(processes.world_size)[processes.rank].clone()

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:  # pyright: ignore[reportIncompatibleMethodOverride]
        return gathered(gradient), None
