"""Maximum hyperspherical polarization (MHP): the neurons' potential where it is weakest, as large as can be.

Liu et al., "Learning with Hyperspherical Uniformity", AISTATS 2021, https://arxiv.org/abs/2103.01649:

    maximise over the neurons   min over v on the sphere of  sum_i f_s(rho(u_i, v)),     u_i = w_i / |w_i|

With the kernel -|u - v|^2 (s = -2) the weakest point is known, the potential there is
-2 (N + |sum_i u_i|), and what remains is `relaxed_polarization`: the neurons' mean at the centre.
"""

from __future__ import annotations

import torch
from torch import Tensor

from .kernel import Distance, at_least_float32, check_neurons, directions, floor_of, riesz
from .poles import PoleObjective, squared_distances


class Polarization(PoleObjective):
    """-min_v mean_i f_s(rho(u_i, v)) of the directions u of the neurons (N, D): a scalar to be minimised.

    The mean over the neurons, in half-space over the 2N points u_i, -u_i, stands for the sum, as in the
    released code, so that its coefficient is that of this class.
    power, distance: of f_s and rho, as in `hyperspherical_energy`; the released code has s = 2 and the chord.
    num_poles, inner_steps, inner_rate: poles v, gradient steps they make in `advance`, and their step size,
        relative to the sphere's radius. The released code's pole has a rate of 0.1 with momentum 0.9, which
        comes to 1, and weight decay; this one stays on the sphere.
    """

    def __init__(
        self,
        dimensions: int,
        *,
        power: float = 2.0,
        distance: Distance = "euclidean",
        half_space: bool = False,
        num_poles: int = 1,
        inner_steps: int = 10,
        inner_rate: float = 1.0,
        seed: int = 0,
    ) -> None:
        super().__init__(dimensions, half_space, num_poles, inner_steps, inner_rate, seed)
        check_neurons("poles", self.poles, power, distance)
        self.power = power
        self.distance: Distance = distance

    def at_poles(self, points: Tensor, poles: Tensor) -> Tensor:
        squared = squared_distances(poles, points, self.distance)  # (M, N)
        return -riesz(squared.clamp_min(floor_of(squared.dtype, self.power)), self.power).mean(dim=1)


def relaxed_polarization(weight: Tensor, *, normalized: bool = True) -> Tensor:
    """|sum_i u_i| of the directions u of `weight`'s rows (N, D): a scalar to be minimised; r-MHP.

    normalized: False takes the neurons themselves instead of their directions, as the released code does.
    There is no half-space form: with its opposites the sum of any neurons is zero.
    """
    check_neurons("weight", weight, power=0, distance="euclidean")
    with torch.autocast(weight.device.type, enabled=False):
        neurons = at_least_float32(weight)
        return torch.linalg.vector_norm((directions(neurons) if normalized else neurons).sum(dim=0))
