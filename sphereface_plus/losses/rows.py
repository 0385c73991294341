"""What the processes of a run hold of a tensor with a row for each class, and how its gradients join."""

from __future__ import annotations

from typing import Protocol

from torch import Tensor

from sphereface_plus.processes import Processes


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

    def held(self, of_classes: Tensor) -> Tensor:
        """(C, ...) -> (n, ...): the rows of consecutive classes that this process holds, all or a share."""
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

    def whole(self, held: Tensor) -> Tensor | None:
        """(n, ...) -> (C, ...): all rows, in the main process, for a checkpoint; None in the others if they
        have shares. All processes call it together."""
        ...

    def whole_like(self, held: Tensor) -> Tensor:
        """Of the shape and type of `whole`, in every process, which passes nothing to the others for it: on
        the meta device, without numbers, where it is not `held` itself."""
        ...


class AllRows:
    """Every process holds all rows, and has the gradient of its own part."""

    apart = False

    def held(self, of_classes: Tensor) -> Tensor:
        return of_classes

    def begin_alike(self, held: Tensor, processes: Processes) -> None:
        processes.take_mains(held)

    def join_gradient(self, held: Tensor, processes: Processes) -> None:
        processes.average(held)

    def of_labels(self, labels: Tensor) -> tuple[slice, Tensor]:
        return slice(None), labels

    def total(self, of_held: Tensor) -> Tensor:
        return of_held

    def whole(self, held: Tensor) -> Tensor:
        return held

    def whole_like(self, held: Tensor) -> Tensor:
        return held
