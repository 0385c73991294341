"""Weight normalisation (arXiv:1602.07868) without its learnt lengths: each neuron has length 1."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from sphereface_plus.networks.normalisations.normalisation import Layer, Normalisation


class UnitFilters(nn.Module):
    """A parametrization: weights of which each neuron has length 1, of any length before.

    axis: of the neurons, 1 in transposed convolutions.
    """

    def __init__(self, axis: int) -> None:
        super().__init__()
        self.axis = axis

    def forward(self, weight: Tensor) -> Tensor:
        others = [axis for axis in range(weight.ndim) if axis != self.axis]
        return weight / torch.linalg.vector_norm(weight, dim=others, keepdim=True).clamp_min(1e-12)


def _of_weights(layer: Layer) -> object:
    axis = 1 if isinstance(layer, nn.ConvTranspose2d) else 0
    return parametrize.register_parametrization(layer, "weight", UnitFilters(axis))


weight = Normalisation(of_weights=_of_weights)
