"""The penalties that the paper compares MHE with, section 3.7: neurons as orthogonal as can be.

Both are functions of the neurons (N, D) of one layer, so they take the energy's place in a regulariser:

    MHERegularizer(network, hidden=EnergyTerm(1e-5, objective=orthonormal_penalty), output=None)

1e-5 is the weight of Appendix A. Both forms have several readings; each function says which are here.
"""

from __future__ import annotations

import torch
from torch import Tensor

from .kernel import at_least_float32, check_neurons, directions
from .matrix_products import gram_of


def orthonormal_penalty(weight: Tensor, *, squared: bool = True) -> Tensor:
    """|W^T W - I|_F^2 of the neurons as they are, of any lengths: `weight` (N, D) is W^T; a scalar.

    Zero where the neurons are orthogonal and of length 1, so it needs N <= D, and it pulls at their lengths:
    leave weight decay off the layers that have it, as SphereNet's code does.
    squared: Appendix E and the authors' SphereNet code, which halves it and takes the weight 2e-4, hence
        1e-4 here. False is |.|_F, as section 3.7 has it: not smooth at its minimum.
    """
    check_neurons("weight", weight, power=0, distance="euclidean")
    with torch.autocast(weight.device.type, enabled=False):
        neurons = at_least_float32(weight)
        excess = gram_of(neurons) - torch.eye(len(neurons), dtype=neurons.dtype, device=neurons.device)
        return excess.square().sum() if squared else torch.linalg.matrix_norm(excess)


def orthogonal_penalty(weight: Tensor, *, squared: bool = True) -> Tensor:
    """sum over ordered pairs i != j of cos(w_i, w_j)^2, of the neurons `weight` (N, D); a scalar.

    squared: the form whose minimum is orthogonal, as section 3.7 says of this penalty. False takes its words
        as they are, "the sum of the cosine values": |sum_i w_i/|w_i||^2 - N, whose minimum is any set of
        neurons that balance, such as two opposite pairs.
    Finite, with finite gradients, for zero neurons, which count as orthogonal to all.
    """
    check_neurons("weight", weight, power=0, distance="euclidean")
    with torch.autocast(weight.device.type, enabled=False):
        units = directions(at_least_float32(weight))
        cosine = gram_of(units).fill_diagonal_(0)
        return (cosine.square() if squared else cosine).sum()
