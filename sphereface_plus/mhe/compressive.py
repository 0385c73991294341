"""Compressive MHE (CoMHE): the energy of neurons that are projected to few dimensions first.

Lin et al., "Regularizing Neural Networks via Minimizing Hyperspherical Energy", CVPR 2020,
https://arxiv.org/abs/1906.04892:

    minimise over the neurons  E_s(P w_1 / |P w_1|, ..., P w_N / |P w_N|),     P (K, D), K << D

In many dimensions random neurons are all but orthogonal and the energy is flat; in few they are not. The
three classes differ in P: drawn again at each step; learnt to keep the angles; learnt against the neurons.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import normalize

from .energy import hyperspherical_energy
from .kernel import Distance, at_least_float32, directions
from .matrix_products import gram_of, inner_products
from .objective import StatefulObjective, ascend, random_normal


class RandomProjection(StatefulObjective):
    """The mean energy (N, D) -> scalar over random projections P ~ N(0, 1), new ones at each step.

    size, num_projections: K and the number of P; the released code's 40 and 20.
    power, distance, half_space: as in `hyperspherical_energy`.

    P is a function of (seed, step). `state_dict` holds the step only, and P is drawn again from it. C K D
    normal numbers a step are drawn on the CPU: 11 million for the ten hidden layers of CNN-9, which takes
    about as long as all of plain MHE.
    """

    projections: Tensor

    def __init__(
        self,
        dimensions: int,
        *,
        size: int = 40,
        num_projections: int = 20,
        power: float = 2.0,
        distance: Distance = "euclidean",
        half_space: bool = False,
        seed: int = 0,
    ) -> None:
        super().__init__(dimensions, half_space)
        _check_size(size)
        if num_projections < 1:
            raise ValueError(f"num_projections must be at least 1, got {num_projections}")
        self.shape, self.seed = (num_projections, size, dimensions), seed
        self.power = power
        self.distance: Distance = distance
        self.register_buffer("projections", random_normal(self.shape, seed, -1), persistent=False)

    def forward(self, weight: Tensor) -> Tensor:
        self._check(weight)
        with torch.autocast(weight.device.type, enabled=False):
            neurons = at_least_float32(weight)
            projected = inner_products(neurons, self.projections.to(neurons).flatten(0, 1))  # (N, C K)
            energies = [
                hyperspherical_energy(
                    part, power=self.power, distance=self.distance, half_space=self.half_space
                )
                for part in projected.split(self.shape[1], dim=1)
            ]
            return torch.stack(energies).mean()

    def _advance(self, neurons: Tensor, step: int) -> None:
        self.projections.copy_(random_normal(self.shape, self.seed, step))

    def set_extra_state(self, state: dict[str, Any]) -> None:
        super().set_extra_state(state)
        self.projections.copy_(random_normal(self.shape, self.seed, self.step))


class LearntProjection(StatefulObjective):
    """Holds one projection P that is learnt beside the neurons; a subclass says what P maximises.

    Cosines do not depend on the length of P, so its Frobenius norm is kept at 1: P is a point on the sphere,
    moved as poles are, and the step size is relative to that sphere's radius. The released code moves a
    P ~ N(0, 1) of squared length K D at the network's rate: its gradient is shorter by sqrt(K D), and so is a
    step beside P. A rate of 0.1 there is one of 0.1 / (K D) here, 6e-6 for K = 30 and D = 576: beside the
    defaults below its projections hardly move.
    """

    projection: Tensor

    def __init__(
        self,
        dimensions: int,
        *,
        size: int = 30,
        power: float = 2.0,
        distance: Distance = "euclidean",
        half_space: bool = False,
        inner_steps: int = 1,
        inner_rate: float = 0.3,
        unrolled: bool = False,
        seed: int = 0,
    ) -> None:
        super().__init__(dimensions, half_space)
        _check_size(size)
        self.size, self.power = size, power
        self.distance: Distance = distance
        self.inner_steps, self.inner_rate, self.unrolled = inner_steps, inner_rate, unrolled
        self.register_buffer("projection", normalize(random_normal((1, size * dimensions), seed)))

    @abstractmethod
    def gain(self, neurons: Tensor, projected: Tensor) -> Tensor:
        """What P maximises: (N, D) neurons and (N, K) their projections -> scalar."""

    def forward(self, weight: Tensor) -> Tensor:
        self._check(weight)
        with torch.autocast(weight.device.type, enabled=False):
            neurons = at_least_float32(weight)
            projection = self.projection.to(neurons)
            if self.unrolled:
                projection = self._moved(neurons, projection, 1, unrolled=True)
            return self._energy(self._project(neurons, projection))

    def _advance(self, neurons: Tensor, step: int) -> None:
        self.projection.copy_(self._moved(neurons, self.projection.to(neurons), self.inner_steps))

    def _moved(
        self, neurons: Tensor, projection: Tensor, num_steps: int, *, unrolled: bool = False
    ) -> Tensor:
        def gain(projection: Tensor) -> Tensor:
            return self.gain(neurons, self._project(neurons, projection))

        return ascend(gain, projection, num_steps, self.inner_rate, unrolled=unrolled)

    def _project(self, neurons: Tensor, projection: Tensor) -> Tensor:
        return inner_products(neurons, projection.view(self.size, self.dimensions))  # (N, K)

    def _energy(self, projected: Tensor) -> Tensor:
        return hyperspherical_energy(
            projected, power=self.power, distance=self.distance, half_space=self.half_space
        )


class AnglePreservingProjection(LearntProjection):
    """The energy (N, D) -> scalar under the projection that changes the neurons' angles least.

    P minimises the mean over pairs of (theta(w_i, w_j) - theta(P w_i, P w_j))^2 by `inner_steps` gradient
    steps of size `inner_rate` before each step of the neurons. (The released code takes the Frobenius norm of
    the difference of the cosines, and its P has weight decay and a smaller rate.)

    unrolled: differentiate the energy through one more such step of P, so that the neurons see how they move
        it: second derivatives, as the released code has them.
    size: K; the released code's 30, with half_space in hidden layers, power 2 and one inner step.
    """

    def gain(self, neurons: Tensor, projected: Tensor) -> Tensor:
        return -angle_mismatch(neurons, projected)


class AdversarialProjection(LearntProjection):
    """The energy (N, D) -> scalar under a projection that makes it large.

    P climbs the full-space energy, of the same power and distance, by `inner_steps` gradient steps of size
    `inner_rate` before each step of the neurons. It must not arrive: a projection along the difference of two
    neurons makes the energy infinite. The other arguments are `AnglePreservingProjection`'s; the released
    code has ten inner steps, at a rate that would be about 6e-6 here: `LearntProjection`.
    """

    def __init__(
        self, dimensions: int, *, inner_steps: int = 10, inner_rate: float = 0.01, **others: Any
    ) -> None:
        super().__init__(dimensions, inner_steps=inner_steps, inner_rate=inner_rate, **others)

    def gain(self, neurons: Tensor, projected: Tensor) -> Tensor:
        return hyperspherical_energy(projected, power=self.power, distance=self.distance)


def angle_mismatch(neurons: Tensor, projected: Tensor) -> Tensor:
    """(N, D), (N, K) -> the mean over pairs of the squared difference of their angles in radians."""
    num_neurons = len(neurons)
    if num_neurons < 2:
        raise ValueError(f"angles need at least two neurons, got {num_neurons}")
    own = torch.eye(num_neurons, dtype=torch.bool, device=neurons.device)
    angles = []
    for points in (neurons, projected):
        units = directions(points)
        end = 1 - torch.finfo(units.dtype).eps  # arccos has no finite slope at its ends
        angles.append(gram_of(units).masked_fill(own, 0).clamp(-end, end).arccos())
    return (angles[0] - angles[1]).square().sum() / (num_neurons * (num_neurons - 1))


def _check_size(size: int) -> None:
    if size < 2:
        raise ValueError(f"size, the dimensions after the projection, must be at least 2, got {size}")
