"""Maximum Gram determinant (MGD): neurons whose kernel matrix has the largest determinant.

Liu et al., "Learning with Hyperspherical Uniformity", AISTATS 2021, https://arxiv.org/abs/2103.01649. The
determinant of the Gram matrix is the squared volume that the neurons span in the kernel's feature space; a
Gaussian kernel's space has room for more neurons than dimensions.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from .kernel import at_least_float32, check_neurons, directions
from .objective import mirrored

JITTER = 1e-6


def negative_log_gram(weight: Tensor, *, epsilon: float = 1.0, half_space: bool = False) -> Tensor:
    """-log det G, G_ij = exp(-epsilon^2 |u_i - u_j|^2), u the directions of `weight`'s rows (N, D): a scalar.

    half_space: of the 2N points u_i, -u_i.

    1e-6 is added to the diagonal, as the released code does, so that coincident neurons have a finite value.
    At D in the hundreds and epsilon 1 the entries are all but equal to exp(-2), and the value is close to
    that of the simplex from the start. Computed in float64 by a Cholesky factor, N^3 / 3 multiply-adds, as
    float32 has no room for the small eigenvalues; the result has `weight`'s type, or float32.
    Raises ValueError for neurons that are not finite, which have no factor.
    """
    check_neurons("weight", weight, power=0, distance="euclidean")
    if not (math.isfinite(epsilon) and epsilon > 0):
        raise ValueError(f"epsilon must be a positive number, got {epsilon}")
    if not len(weight):
        raise ValueError("the Gram determinant needs at least one neuron, got none")
    with torch.autocast(weight.device.type, enabled=False):
        neurons = at_least_float32(weight)
        units = directions(neurons.double())
        points = mirrored(units) if half_space else units
        cosine = points @ points.T  # (M, M)
        own = torch.eye(len(points), dtype=torch.bool, device=points.device)
        gram = torch.exp(-2 * epsilon**2 * (1 - cosine.masked_fill(own, 1)))
        try:
            factor = torch.linalg.cholesky(gram + JITTER * own)
        # With finite neurons every eigenvalue is at least JITTER.
        except torch.linalg.LinAlgError:  # pyright: ignore[reportPrivateImportUsage]
            raise ValueError(
                "the Gram matrix of the neurons cannot be factored: some of their weights are NaN or infinite"
            ) from None
        return -2 * factor.diagonal().log().sum().to(neurons.dtype)
