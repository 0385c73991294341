"""A placebo for MHE: pushes as long as Eq. (8)'s, in directions that mean nothing.

What turns prototypes at all may do something to a training, as noise does. A push that is as long as MHE's,
prototype by prototype, and random otherwise tells that apart from what the energy's direction does.
"""

from __future__ import annotations

import torch
from torch import Tensor

from .classifier import classifier_energy
from .geometry import tangential
from .kernel import SHORTEST_LENGTH, Distance, at_least_float32
from .objective import random_normal


def random_push(
    prototypes: Tensor,
    labels: Tensor,
    *key: int,
    power: float = 2.0,
    distance: Distance = "euclidean",
    chunk_size: int = 4096,
) -> Tensor:
    """The value of Eq. (8), with a random gradient in the place of its own; a scalar.

    The gradient's row of a prototype is tangential, of a direction drawn uniformly, and as long as the row of
    Eq. (8)'s gradient at the same prototypes (C, D) and labels (m,). Its direction is a function of the key
    and of the prototype alone: with (seed, step) each step draws another, and a resumed run the same again;
    with the same key in every step the pushes add up, as those of an energy do.
    Shapes, settings and errors as of `classifier_energy`.
    """
    with torch.autocast(prototypes.device.type, enabled=False):
        neurons = at_least_float32(prototypes)
        apart = neurons.detach().requires_grad_()
        with torch.enable_grad():
            energy = classifier_energy(apart, labels, power=power, distance=distance, chunk_size=chunk_size)
        (gradient,) = torch.autograd.grad(energy, apart)
        lengths = gradient.norm(dim=1, keepdim=True)  # (C, 1)
        noise = tangential(random_normal(tuple(neurons.shape), *key).to(neurons), apart.detach())
        push = noise / noise.norm(dim=1, keepdim=True).clamp_min(SHORTEST_LENGTH) * lengths
        carrier = (push * neurons).sum()  # its gradient is the push
        return energy.detach() + (carrier - carrier.detach())
