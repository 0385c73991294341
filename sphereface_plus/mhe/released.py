"""The two released forms of SphereFace+, which are not Eq. (8); docs/three_sphereface_plus.md compares them.

Both normalise the prototypes in place, outside the graph: what they call the gradient is that by the unit
prototypes, radial part included. So it is here, whatever the prototypes' lengths.
"""

from __future__ import annotations

import torch
from torch import Tensor

from .kernel import at_least_float32, check_neurons, directions
from .matrix_products import gram_of


def caffe_surrogate(prototypes: Tensor, labels: Tensor) -> Tensor:
    """The InterClass layer of the released Caffe code, as its CPU path computes it; a scalar.

        D = 1/C  sum_{i=1..C} sum_{j=1..m} |u_i - u_{y_j}|^2       u = w / |w|
        value     1 / D
        gradient  -4 / (m D^2 + 1e-5) (u_{y_j} - mu)  to w_{y_j}, summed over j;  none to the other classes
        mu        the mean of all u, divided by sqrt(|mean|^2 + 1e-5)

    prototypes: (C, D), C >= 2. labels: (m,) in 0..C-1; a label counts as often as it occurs.

    The gradient is not that of the value: the derivative of 1/D has 2 / D^2 in the place of 4 / (m D^2), and
    the mean itself. Since the u are unit, D knows the prototypes only through their mean: what the gradient
    does is to push the batch's classes away from the mean direction. The layer puts out D and names 1/D in a
    comment as what is minimised. Its GPU path, which made the published numbers, adds up D and mu with races
    between threads and cannot be repeated; alpha (mhe.weight) is 10 in the published m = 4 training.
    """
    check_neurons("prototypes", prototypes, power=2, distance="euclidean")
    with torch.autocast(prototypes.device.type, enabled=False):
        neurons = at_least_float32(prototypes)
        units = directions(neurons.detach())
        mean, own = units.mean(dim=0), units[labels]  # (D,), (m, D)
        # sum_i |u_i - u|^2 / C = 1 + |u|^2 - 2 u . mean, where every u is unit
        summed = (2 - 2 * own @ mean).sum().clamp_min(1e-12)
        mu = mean / (mean.square().sum() + 1e-5).sqrt()
        push = 4 / (len(labels) * summed.square() + 1e-5) * (own - mu)
        carrier = -(push * neurons[labels]).sum()  # its gradient by w_{y_j} is -push
        return 1 / summed + (carrier - carrier.detach())


def opensphere_energy(prototypes: Tensor, labels: Tensor) -> Tensor:
    """OpenSphere's SphereFacePlus head: the mean of angle^-2 over pairs of the batch's own classes; a scalar.

        2 / (U (U - 1))  sum over pairs a < b of the U distinct labels of  arccos(u_a . u_b)^-2

    prototypes: (C, D). labels: (m,) in 0..C-1; each class counts once. Cosines are cut to 1e-5 from -1 and 1,
    where the gradient ends. With one class in the batch the released code is nan; here it is 0.
    mhe.weight is 0.1 in the published recipe, with a scale of 30 and unit embeddings.
    """
    check_neurons("prototypes", prototypes, power=2, distance="angular")
    with torch.autocast(prototypes.device.type, enabled=False):
        own = at_least_float32(prototypes)[labels.unique()]  # (U, D)
        units = own + (directions(own) - own).detach()  # unit, with the gradient of `own`
        first, second = torch.triu_indices(len(own), len(own), offset=1, device=own.device)
        cosine = gram_of(units)[first, second].clamp(-1 + 1e-5, 1 - 1e-5)
        return cosine.arccos().pow(-2).sum() / max(1, len(cosine))
