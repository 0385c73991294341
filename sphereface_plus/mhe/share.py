"""A stretch of the classes' prototypes, and how the processes that hold the others take part in an energy."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Share:
    """What a process holds of C prototypes: the n consecutive ones from class `first` on.

    Every class lies in one process. All processes call `batch` and `add` together, with the same classes.
    """

    first: int
    num_classes: int
    """C"""
    total: Callable[[Tensor], Tensor]
    """The sum of a tensor over the processes, the same in each; may return the tensor itself."""

    def batch(self, prototypes: Tensor, classes: Tensor) -> Tensor:
        """(K, D): the prototypes of classes (K,), each from the process that holds it."""
        here, rows = self._here(prototypes, classes)
        batch = prototypes.new_zeros(len(classes), prototypes.shape[1])
        batch[here] = prototypes[rows]
        return self.total(batch)

    def add(self, gradient: Tensor, classes: Tensor, of_batch: Tensor) -> None:
        """Adds the processes' parts of the gradient of `batch`, of_batch (K, D), to gradient (n, D)."""
        here, rows = self._here(gradient, classes)
        gradient.index_add_(0, rows, self.total(of_batch)[here])

    def rows_of(self, prototypes: Tensor, classes: Tensor) -> Tensor:
        """Of some classes, the rows of those that lie here."""
        _, rows = self._here(prototypes, classes)
        return rows

    def _here(self, prototypes: Tensor, classes: Tensor) -> tuple[Tensor, Tensor]:
        """Which of the classes lie here, and their rows."""
        rows = classes - self.first
        (here,) = torch.nonzero((rows >= 0) & (rows < len(prototypes)), as_tuple=True)
        return here, rows[here]


def all_of(prototypes: Tensor) -> Share:
    """One process that holds all C of them."""
    return Share(0, len(prototypes), lambda value: value)
