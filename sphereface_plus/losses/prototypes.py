"""Prototypes and their lengths."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

TINY = 1e-12  # shorter vectors count as this long: a zero vector has cosine 0 to all and a finite gradient


AT_ONCE = 2**22
"""Numbers that are drawn at one time where only some rows are kept: 16 MiB."""


def new_prototypes(num_identities: int, embedding_size: int) -> nn.Parameter:
    """(C, D), from Caffe's "xavier": U(-a, a) with a = sqrt(3 / D), so that a row's length is about 1."""
    prototypes = nn.Parameter(torch.empty(num_identities, embedding_size))
    nn.init.kaiming_uniform_(prototypes, mode="fan_in", nonlinearity="linear")
    return prototypes


def some_rows(
    initial: Callable[[int, int], nn.Parameter], num_identities: int, embedding_size: int, held: slice
) -> nn.Parameter:
    """(n, D): the rows `held` of initial(num_identities, embedding_size), of which a block is in memory.

    All rows are drawn, block after block: torch gives the same uniform numbers so. Normal ones it would not.
    """
    first, end, _ = held.indices(num_identities)
    if end - first == num_identities:
        return initial(num_identities, embedding_size)
    rows = torch.empty(end - first, embedding_size)
    at_once = max(1, AT_ONCE // embedding_size)
    for start in range(0, num_identities, at_once):
        block = initial(min(at_once, num_identities - start), embedding_size).detach()
        begin, stop = max(first, start), min(end, start + len(block))
        if begin < stop:
            rows[begin - first : stop - first] = block[begin - start : stop - start]
    return nn.Parameter(rows)


def lengths(vectors: Tensor) -> Tensor:
    """Lengths of the rows, (N, D) -> (N,), never 0; the gradient at a zero row is 0."""
    return torch.linalg.vector_norm(vectors, dim=1).clamp_min(TINY)


def units(vectors: Tensor) -> Tensor:
    """The rows (N, D) over their lengths; a zero row stays one."""
    return vectors / lengths(vectors)[:, None]


@torch.no_grad()
def make_units(prototypes: nn.Parameter) -> None:
    """Gives each row (C, D) the length 1, in place, outside the graph.

    The released heads' way, Caffe's and OpenSphere's: the optimizer's step is taken from the unit vector, its
    radial part included, and the momentum remembers that step. Whatever else is differentiated by the
    prototypes must be computed after it; autograd refuses the other order.
    """
    prototypes.div_(lengths(prototypes)[:, None])
