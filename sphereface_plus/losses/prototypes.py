"""Prototypes, and the product of embeddings with them, as the margin losses share it."""

from __future__ import annotations

import torch
from torch import Tensor, nn

TINY = 1e-12  # shorter vectors count as this long: a zero vector has cosine 0 to all and a finite gradient


def new_prototypes(num_identities: int, embedding_size: int) -> nn.Parameter:
    """(C, D), from Caffe's "xavier": U(-a, a) with a = sqrt(3 / D), so that a row's length is about 1."""
    prototypes = nn.Parameter(torch.empty(num_identities, embedding_size))
    nn.init.kaiming_uniform_(prototypes, mode="fan_in", nonlinearity="linear")
    return prototypes


def lengths(vectors: Tensor) -> Tensor:
    """Lengths of the rows, (N, D) -> (N,), never 0; the gradient at a zero row is 0."""
    return torch.linalg.vector_norm(vectors, dim=1).clamp_min(TINY)


@torch.no_grad()
def unit_lengths(prototypes: nn.Parameter, *, in_place: bool) -> Tensor:
    """Lengths (C,) of the prototypes as constants, outside the graph; in_place: first makes each of length 1.

    The released heads' way, Caffe's and OpenSphere's: the optimizer's step is taken from the unit vector, its
    radial part included, and the momentum remembers that step. Whatever else is differentiated by the
    prototypes must be computed after it; autograd refuses the other order.
    """
    if in_place:
        prototypes.div_(lengths(prototypes)[:, None])
    return lengths(prototypes)


def project(embeddings: Tensor, prototypes: Tensor, prototype_lengths: Tensor) -> Tensor:
    """|x| cos(x, w): embeddings (B, D), prototypes (C, D) and their lengths (C,) -> (B, C).

    The product is divided by the lengths, instead of the prototypes: the same numbers and gradients, with
    fewer passes over C x D, above all backwards.
    Raises ValueError when embeddings and prototypes differ in D.
    """
    if embeddings.shape[1] != prototypes.shape[1]:
        raise ValueError(
            f"embeddings have {embeddings.shape[1]} dimensions, the loss's prototypes {prototypes.shape[1]}"
        )
    return embeddings @ prototypes.T / prototype_lengths
