"""Mini-batch approximation of a layer's energy, section 3.6: the energy of a few neurons, drawn at random.

Unbiased, as the paper has it: the expectation over draws is the mean energy of all pairs. In full space that
holds of the mean over the drawn pairs as it is. In half-space it needs a correction, since a neuron and its
own mirror image are 1 of 2n - 1 pairs among n neurons, more than among N.

The draw is a pure function of the key: a resumed run repeats it, and all processes agree on it.
"""

from __future__ import annotations

import math
import random

import torch
from torch import Tensor

from .energy import hyperspherical_energy
from .kernel import Distance, riesz


def minibatch_energy(
    weight: Tensor,
    size: int,
    key: str,
    *,
    power: float = 2.0,
    distance: Distance = "euclidean",
    half_space: bool = False,
) -> Tensor:
    """Estimate of `hyperspherical_energy(weight, ...)` from `size` >= 2 rows of `weight` (N, D); a scalar.

    Rows are drawn without replacement; where there are no more than `size`, the energy is exact.
    """
    total = len(weight)
    if size >= total:
        return hyperspherical_energy(weight, power=power, distance=distance, half_space=half_space)
    rows = torch.tensor(_draw(total, size, key), device=weight.device)
    energy = hyperspherical_energy(weight[rows], power=power, distance=distance, half_space=half_space)
    if not half_space:
        return energy
    # the mean over n neurons and their mirror images is ((2n - 2) between + own) / (2n - 1),
    # between: the mean over pairs of two neurons; own: f_s of a neuron and its mirror image
    diameter = torch.tensor(4.0 if distance == "euclidean" else math.pi**2).to(energy)
    own = riesz(diameter, power)
    between = ((2 * size - 1) * energy - own) / (2 * size - 2)
    return ((2 * total - 2) * between + own) / (2 * total - 1)


def _draw(total: int, size: int, key: str) -> list[int]:
    return random.Random(key).sample(range(total), size)
