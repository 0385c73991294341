"""The angle between embeddings and prototypes, for the losses whose margin acts on it."""

from __future__ import annotations

import torch
from torch import Tensor

from sphereface_plus.losses.prototypes import lengths, units


def angles(embeddings: Tensor, prototypes: Tensor) -> Tensor:
    """theta in radians, 0..pi, row by row: embeddings (B, D), prototypes (B, D) -> (B,).

        theta = 2 atan2(|u - v|, |u + v|)        u, v: the unit vectors

    Not by arccos, whose derivative is infinite at 0 and pi, and which in float32 knows angles below 0.0003
    only as 0. Here both are exact to rounding; at 0 and at pi, where the angle has a kink, the gradient is 0.
    A zero vector is at pi / 2 of all.
    """
    u, v = units(embeddings), units(prototypes)
    return 2 * torch.atan2(lengths(u - v), lengths(u + v))


def straight_through(value: Tensor, carrier: Tensor) -> Tensor:
    """`value`, with the gradient of `carrier`, of the same shape.

    The gradient detachment of the released heads: the margin changes the loss, and so how strongly an
    embedding is pulled, and not by how much its cosine moves the logit.
    """
    return carrier + (value - carrier).detach()
