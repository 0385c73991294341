"""Minimum hyperspherical covering (MHC): caps around the neurons that cover the sphere, as small as can be.

Liu et al., "Learning with Hyperspherical Uniformity", AISTATS 2021, https://arxiv.org/abs/2103.01649:

    minimise over the neurons   max over v on the sphere of  min_i rho(u_i, v),     u_i = w_i / |w_i|
"""

from __future__ import annotations

from math import log

import torch
from torch import Tensor

from .kernel import Distance, check_neurons, floor_of
from .poles import PoleObjective, squared_distances


class Covering(PoleObjective):
    """max_v min_i rho(u_i, v) of the directions u of the neurons (N, D): a scalar to be minimised.

    This is the covering radius, as far as the poles have found the emptiest place.

    distance: rho is the chord or the angle in radians; squared: its square.
    sharpness: gamma > 0 takes the soft minimum -(1/gamma) log mean_i exp(-gamma rho), which moves all neurons
        around the pole instead of the nearest alone and is at most log(N)/gamma above the minimum. The
        released code is `squared=True, sharpness=10` with one pole.
    half_space: of the 2N points u_i, -u_i.
    num_poles, inner_steps, inner_rate: as in `Polarization`; the poles climb.
    """

    def __init__(
        self,
        dimensions: int,
        *,
        distance: Distance = "euclidean",
        squared: bool = False,
        sharpness: float | None = None,
        half_space: bool = False,
        num_poles: int = 1,
        inner_steps: int = 10,
        inner_rate: float = 0.1,
        seed: int = 0,
    ) -> None:
        super().__init__(dimensions, half_space, num_poles, inner_steps, inner_rate, seed)
        check_neurons("poles", self.poles, 0, distance)
        if sharpness is not None and not sharpness > 0:
            raise ValueError(f"sharpness must be positive, or None for the minimum itself, got {sharpness}")
        self.distance: Distance = distance
        self.squared, self.sharpness = squared, sharpness

    def at_poles(self, points: Tensor, poles: Tensor) -> Tensor:
        rho = squared_distances(poles, points, self.distance)  # (M, N)
        if not self.squared:
            rho = rho.clamp_min(floor_of(rho.dtype, 0)).sqrt()
        if self.sharpness is None:
            return rho.amin(dim=1)
        total = torch.logsumexp(-self.sharpness * rho, dim=1) - log(len(points))
        return -total / self.sharpness
