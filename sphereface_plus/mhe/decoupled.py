"""Weight decay and MHE as one regulariser, the decoupled view of section 3.7 and Appendix C.

    lambda_w / (sum_j N_j)  sum_{j=1..L} sum_{i=1..N_j} |w_i|         the lengths of all neurons
    + lambda_h (...) + lambda_o (...)                                 MHE: their directions, Eq. (4)

A neuron's inner product with its input is |w| |x| cos(theta). The first part moves |w| alone, the second the
direction alone: their gradients are orthogonal. It is the mean length, not its square as in the weight decay
of an optimizer (turn that off, or the lengths are decayed twice).
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from torch import Tensor, nn

from .kernel import at_least_float32
from .neurons import neuron_groups_of
from .regularizer import MHERegularizer


class DecoupledRegularizer(nn.Module):
    """Magnitude and direction of the neurons of a model.

    directions: the MHE terms; their layers, the skipped ones included, are those whose lengths count.
    magnitude_weight: lambda_w >= 0.

    Both parts read the weights. Where those are parametrized, `with torch.nn.utils.parametrize.cached():`
    around the step computes them once for the forward pass and both parts; without it a spectral norm makes a
    power iteration for each.
    """

    def __init__(self, directions: MHERegularizer, *, magnitude_weight: float) -> None:
        super().__init__()
        if not (math.isfinite(magnitude_weight) and magnitude_weight >= 0):
            raise ValueError(f"magnitude_weight must be a finite number >= 0, got {magnitude_weight}")
        self.directions, self.magnitude_weight = directions, magnitude_weight

    def forward(self, step: int | None = None) -> dict[str, Tensor]:
        """The terms without their weights: "magnitude", and those of `MHERegularizer`."""
        return {"magnitude": mean_length(self.directions.layers.values()), **self.directions(step)}

    def penalty(self, step: int | None = None) -> Tensor:
        """What to add to the loss."""
        length = mean_length(self.directions.layers.values())
        return self.magnitude_weight * length + self.directions.penalty(step).to(length)


def mean_length(layers: Iterable[nn.Module]) -> Tensor:
    """Mean of |w_i| over all neurons of all layers, a scalar; a zero neuron has no gradient."""
    lengths = []
    for layer in layers:
        neurons = neuron_groups_of(layer)
        with torch.autocast(neurons.device.type, enabled=False):
            lengths.append(torch.linalg.vector_norm(at_least_float32(neurons), dim=-1).flatten())
    return torch.cat(lengths).mean()
