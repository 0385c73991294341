"""Each process holds the rows of some classes: consecutive ones, no two processes the same. So it is of any
classes that are drawn in ascending order, of which a process may hold none."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from sphereface_plus.errors import UserError
from sphereface_plus.held_rows import HeldRows
from sphereface_plus.processes import Processes
from sphereface_plus.stored_rows import StoredRows


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

    def stretch(self, num_classes: int) -> slice:
        return slice(self.first, self.end)

    def held(self, of_classes: Tensor | StoredRows) -> Tensor:
        return of_classes[self.stretch(self.num_classes)]

    @property
    def end(self) -> int:
        """The first class of the next process."""
        return self._border(self.processes.rank + 1)

    def of_labels(self, labels: Tensor) -> tuple[Tensor, Tensor]:
        return _in_stretch(labels, self.first, self.end)

    def among(self, classes: Tensor) -> SomeRows:
        """Of classes (n,), ascending, the same in each process: which of them lie here."""
        borders = torch.tensor([self.first, self.end]).to(classes)
        first, end = torch.searchsorted(classes, borders).tolist()
        return SomeRows(len(classes), first, end, self.processes)

    def begin_alike(self, held: Tensor, processes: Processes) -> None:
        """No two processes hold the same row."""

    def join_gradient(self, held: Tensor, processes: Processes) -> None:
        held.div_(processes.world_size)  # it is that of the sum of the parts' mean losses

    def total(self, of_held: Tensor) -> Tensor:
        return self.processes.total(of_held)

    def kept(self, held: Tensor) -> Tensor | HeldRows:
        return HeldRows(held, self.first, self.num_classes) if self.apart else held

    def _border(self, rank: int) -> int:
        share, more = divmod(self.num_classes, self.processes.world_size)
        return rank * share + min(rank, more)


@dataclass(frozen=True)
class SomeRows:
    """Those of n classes that lie here, by their places 0..n-1 among them: `first` to `end`, or none."""

    num_classes: int
    """n"""
    first: int
    end: int
    processes: Processes

    def of_labels(self, labels: Tensor) -> tuple[Tensor, Tensor]:
        """As SharedRows.of_labels, of places."""
        return _in_stretch(labels, self.first, self.end)


def _in_stretch(labels: Tensor, first: int, end: int) -> tuple[Tensor, Tensor]:
    (places,) = torch.nonzero((labels >= first) & (labels < end), as_tuple=True)
    return places, labels[places] - first
