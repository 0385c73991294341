"""Each process holds the rows of some classes: consecutive ones, no two processes the same."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor

from sphereface_plus.errors import UserError
from sphereface_plus.processes import Processes, reaching_others

NUMBERS_AT_ONCE = 2**24  # sent from one process to another: 64 MiB


class SharesError(UserError):
    """Classes that cannot be shared."""


@dataclass(frozen=True)
class SharedRows:
    """rows.Rows: as many classes for each process as can be, where the first ones have one more.

    Raises SharesError where a process would have none.
    """

    num_classes: int
    processes: Processes

    def __post_init__(self) -> None:
        if self.num_classes < self.processes.world_size:
            raise SharesError(
                f"{self.processes.world_size} processes cannot share {self.num_classes} classes: each needs "
                "one at least; start fewer, or set head=streamed"
            )

    @property
    def apart(self) -> bool:
        return self.processes.world_size > 1

    @property
    def first(self) -> int:
        """The first class of this process."""
        return self._border(self.processes.rank)

    def held(self, of_classes: Tensor) -> Tensor:
        return of_classes[self.first : self._border(self.processes.rank + 1)]

    def of_labels(self, labels: Tensor) -> tuple[Tensor, Tensor]:
        rows = labels - self.first
        end = self._border(self.processes.rank + 1) - self.first
        (places,) = torch.nonzero((rows >= 0) & (rows < end), as_tuple=True)
        return places, rows[places]

    def begin_alike(self, held: Tensor, processes: Processes) -> None:
        """No two processes hold the same row."""

    def join_gradient(self, held: Tensor, processes: Processes) -> None:
        held.div_(processes.world_size)  # it is that of the sum of the parts' mean losses

    def total(self, of_held: Tensor) -> Tensor:
        return self.processes.total(of_held)

    def whole(self, held: Tensor) -> Tensor | None:
        """On the CPU of the main process, which receives the others' rows piece by piece."""
        if self.processes.world_size == 1:
            return held
        pieces_of = max(1, NUMBERS_AT_ONCE // max(1, held[0].numel()))
        if not self.processes.is_main:
            for piece in held.contiguous().split(pieces_of):
                with reaching_others():
                    dist.send(piece, dst=0)
            return None
        whole = torch.empty(self.num_classes, *held.shape[1:], dtype=held.dtype)
        whole[: len(held)] = held
        for rank in range(1, self.processes.world_size):
            for piece in whole[self._border(rank) : self._border(rank + 1)].split(pieces_of):
                received = torch.empty_like(piece, device=held.device)
                with reaching_others():
                    dist.recv(received, src=rank)
                    piece.copy_(received)
        return whole

    def whole_like(self, held: Tensor) -> Tensor:
        if self.processes.world_size == 1:
            return held
        return torch.empty(self.num_classes, *held.shape[1:], dtype=held.dtype, device="meta")

    def _border(self, rank: int) -> int:
        share, more = divmod(self.num_classes, self.processes.world_size)
        return rank * share + min(rank, more)
