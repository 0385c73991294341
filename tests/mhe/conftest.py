"""The definitions, written out literally: what every energy is compared with."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode


def f(power: float, z: Tensor) -> Tensor:
    """f_s of Eq. (1)."""
    return torch.log(1 / z) if power == 0 else z**-power


def distance_between(u: Tensor, v: Tensor, distance: str) -> Tensor:
    if distance == "euclidean":
        return (u - v).norm()
    # 2 atan2(|u - v|, |u + v|) is arccos(u.v), without its rounding near 0 and pi
    return 2 * torch.atan2((u - v).norm(), (u + v).norm())


@pytest.fixture(scope="session")
def literal_energy() -> Callable[..., Tensor]:
    """Eq. (1), (5), (18) and section 3.4 as a double loop over points: the sum over ordered pairs."""

    def energy(
        weight: Tensor,
        power: float = 2.0,
        distance: str = "euclidean",
        half_space: bool = False,
        neuron_weights: Tensor | None = None,
    ) -> Tensor:
        points = [w / w.norm() for w in weight]
        if neuron_weights is not None:
            points = [beta * u for beta, u in zip(neuron_weights, points, strict=True)]
        if half_space:
            points += [-u for u in points]
        total = weight.new_zeros(())
        for i, u in enumerate(points):
            for j, v in enumerate(points):
                if i != j:
                    total = total + f(power, distance_between(u, v, distance))
        return total

    return energy


@pytest.fixture(scope="session")
def literal_classifier_energy() -> Callable[..., Tensor]:
    """Eq. (8) as the double loop that it is, over samples and prototypes."""

    def energy(prototypes: Tensor, labels: Tensor, power: float = 2.0, distance: str = "euclidean") -> Tensor:
        units = [w / w.norm() for w in prototypes]
        total = prototypes.new_zeros(())
        for label in labels.tolist():
            for j, unit in enumerate(units):
                if j != label:
                    total = total + f(power, distance_between(units[label], unit, distance))
        return total / (len(labels) * (len(prototypes) - 1))

    return energy


@pytest.fixture(scope="session")
def pair_at() -> Callable[[float, int], Tensor]:
    """Two random neurons (2, D) in float64 at the given angle in radians, of different lengths."""

    def pair(angle: float, dimensions: int) -> Tensor:
        plane = torch.linalg.qr(torch.randn(dimensions, 2, dtype=torch.float64)).Q.T
        return torch.stack([3 * plane[0], 0.5 * (math.cos(angle) * plane[0] + math.sin(angle) * plane[1])])

    return pair


class LargestTensor(TorchDispatchMode):
    """Records the number of elements of the largest tensor that any operation returns."""

    def __init__(self) -> None:
        super().__init__()
        self.elements = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        for tensor in result if isinstance(result, tuple | list) else (result,):
            if isinstance(tensor, Tensor):
                self.elements = max(self.elements, tensor.numel())
        return result


@pytest.fixture
def largest_tensor() -> LargestTensor:
    """`with largest_tensor: ...`, then `largest_tensor.elements`."""
    return LargestTensor()
