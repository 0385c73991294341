"""Objectives that are the worst case over poles: points of the sphere that are not neurons.

    maximum over v on the sphere of  g(v, neurons)

minimised over the neurons. Before each step of the neurons the poles climb by a few gradient steps: the best
one from where it is, as in the released code of Liu et al., AISTATS 2021, which has one pole a layer; the
others from new random places, since a single pole stays in the hollow between neurons that it once found
while a larger one may open elsewhere. The value is a lower bound of the maximum. At the maximum the neurons'
gradient at a fixed pole is the gradient of the maximum (Danskin's theorem).
"""

from __future__ import annotations

from abc import abstractmethod

import torch
from torch import Tensor

from .kernel import Distance, at_least_float32, directions, squared_distance
from .matrix_products import inner_products
from .objective import StatefulObjective, ascend, mirrored, random_normal


class PoleObjective(StatefulObjective):
    """Holds the poles (M, D), unit rows; a subclass says what they maximise."""

    poles: Tensor

    def __init__(
        self,
        dimensions: int,
        half_space: bool,
        num_poles: int,
        inner_steps: int,
        inner_rate: float,
        seed: int,
    ) -> None:
        super().__init__(dimensions, half_space)
        if num_poles < 1:
            raise ValueError(f"num_poles must be at least 1, got {num_poles}")
        self.inner_steps, self.inner_rate, self.seed = inner_steps, inner_rate, seed
        self.register_buffer("poles", self._random_poles(num_poles, -1))

    @abstractmethod
    def at_poles(self, points: Tensor, poles: Tensor) -> Tensor:
        """g at unit points (N or 2N, D) and unit poles (M, D): (M,)."""

    def forward(self, weight: Tensor) -> Tensor:
        self._check(weight)
        with torch.autocast(weight.device.type, enabled=False):
            points = self._points(at_least_float32(weight))
            return self.at_poles(points, self.poles.to(points)).max()

    def _advance(self, neurons: Tensor, step: int) -> None:
        points = self._points(neurons)
        before = self.poles.to(points)  # wherever the module is
        poles = self._random_poles(len(before), step).to(points)
        poles[:1] = before[self.at_poles(points, before).argmax(keepdim=True)]
        self.poles.copy_(
            ascend(lambda poles: self.at_poles(points, poles), poles, self.inner_steps, self.inner_rate)
        )

    def _random_poles(self, num_poles: int, step: int) -> Tensor:
        return directions(random_normal((num_poles, self.dimensions), self.seed, step))

    def _points(self, neurons: Tensor) -> Tensor:
        units = directions(neurons)
        return mirrored(units) if self.half_space else units


def squared_distances(poles: Tensor, points: Tensor, distance: Distance) -> Tensor:
    """rho^2 of unit poles (M, D) and unit points (N, D): (M, N)."""
    cosine = inner_products(poles, points)
    if distance == "angular":
        # arccos has no finite slope at its ends; a pole is there by accident only, and moves on
        end = 1 - torch.finfo(cosine.dtype).eps
        cosine = cosine.clamp(-end, end)
    return squared_distance(cosine, distance)
