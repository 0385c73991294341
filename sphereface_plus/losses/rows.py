"""What the processes of a run hold of a tensor with a row for each class, and how its gradients join."""

from __future__ import annotations

from typing import Protocol

from torch import Tensor

from sphereface_plus.held_rows import HeldRows
from sphereface_plus.processes import Processes
from sphereface_plus.stored_rows import StoredRows


class Rows(Protocol):
    """One way to hold the rows of C classes. A head is made for one way: it gets the rows that are held here.

    Each process makes the backward of the mean loss of its own part of a batch, all of them together. A head
    whose forward communicates has the backward communicate too: then what lies at a row is the gradient of
    the sum of the parts' mean losses, and otherwise that of this process's alone.
    """

    @property
    def apart(self) -> bool:
        """Whether no two processes hold the same row, and none holds all of several processes' rows."""
        ...

    def stretch(self, num_classes: int) -> slice:
        """The consecutive ones of C classes whose rows this process holds, all or a share."""
        ...

    def held(self, of_classes: Tensor | StoredRows) -> Tensor:
        """(C, ...) -> (n, ...): their rows. Of a checkpoint's, no others are read."""
        ...

    def begin_alike(self, held: Tensor, processes: Processes) -> None:
        """Before the first update, in place: what several processes hold becomes the main one's."""
        ...

    def join_gradient(self, held: Tensor, processes: Processes) -> None:
        """After the backward, in place: the gradient of the whole batch's mean loss."""
        ...

    def of_labels(self, labels: Tensor) -> tuple[Tensor | slice, Tensor]:
        """labels (A,) -> which of them this process holds the rows of, and these rows among those held."""
        ...

    def total(self, of_held: Tensor) -> Tensor:
        """What is a sum over the rows held here, as the sum over all rows: the same in each process. All
        processes call it together."""
        ...

    def kept(self, held: Tensor) -> Tensor | HeldRows:
        """(n, ...): what stands for it in a checkpoint."""
        ...


class AllRows:
    """Every process holds all rows, and has the gradient of its own part."""

    apart = False

    def stretch(self, num_classes: int) -> slice:
        return slice(0, num_classes)

    def held(self, of_classes: Tensor | StoredRows) -> Tensor:
        return of_classes[:]

    def begin_alike(self, held: Tensor, processes: Processes) -> None:
        processes.take_mains(held)

    def join_gradient(self, held: Tensor, processes: Processes) -> None:
        processes.average(held)

    def of_labels(self, labels: Tensor) -> tuple[slice, Tensor]:
        return slice(None), labels

    def total(self, of_held: Tensor) -> Tensor:
        return of_held

    def kept(self, held: Tensor) -> Tensor:
        return held
