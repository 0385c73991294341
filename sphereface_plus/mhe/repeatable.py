"""Sums of rows that have the same bits each time, on a GPU, too."""

from __future__ import annotations

from torch import Tensor


def add_rows(table: Tensor, rows: Tensor, values: Tensor) -> Tensor:
    """In place: values (k, ...) are added to the rows (k,) of a table (n, ...), each as often as named.

    By what torch.use_deterministic_algorithms lists (torch 2.15), index_add is repeatable on a CPU and not on
    a GPU, and index_put is with accumulate=True on a GPU and not on a CPU.
    """
    if table.is_cuda:
        return table.index_put_((rows,), values, accumulate=True)
    return table.index_add_(0, rows, values)
