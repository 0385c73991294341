"""Galleries: what gives slices of rows like an array, in parts, in another order or joined."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np


class Rows(Protocol):
    """A gallery: an array (N, D), also a memory-mapped one, or what gives slices of rows like one."""

    @property
    def shape(self) -> tuple[int, ...]: ...

    def __getitem__(self, rows: slice, /) -> np.ndarray: ...


@dataclass(frozen=True)
class Reordered:
    """The rows of another gallery in an order: a subset, or one of several sets of distractors."""

    rows: np.ndarray
    """(N, D)."""
    order: np.ndarray
    """(M,) int."""

    @property
    def shape(self) -> tuple[int, int]:
        return len(self.order), self.rows.shape[1]

    def __getitem__(self, rows: slice, /) -> np.ndarray:
        return self.rows[self.order[rows]]


@dataclass(frozen=True)
class Joined:
    """The rows of one gallery and then those of another."""

    first: Rows
    second: Rows

    @property
    def shape(self) -> tuple[int, ...]:
        return self.first.shape[0] + self.second.shape[0], *self.second.shape[1:]

    def __getitem__(self, rows: slice, /) -> np.ndarray:
        border = self.first.shape[0]
        before = self.first[slice(min(rows.start, border), min(rows.stop, border))]
        after = self.second[slice(max(rows.start - border, 0), max(rows.stop - border, 0))]
        return after if not len(before) else before if not len(after) else np.concatenate([before, after])
