"""What can be minimised in the place of the hyperspherical energy, and how the inner state of some is kept.

An objective takes the neurons (N, D) of one layer, of any lengths, and returns a scalar to be minimised that
depends on their directions. Most are plain functions: `hyperspherical_energy`, `negative_separation`,
`negative_log_gram`, with settings by `functools.partial`. Some hold a problem inside, as "the point of the
sphere that is farthest from all neurons": these are modules, one for each layer, and keep the inner solution
from step to step as the papers do.

    objective = Covering(dimensions=576, half_space=True, seed=0)
    for step in ...:
        objective.advance(weight, step)         # moves the pole; the weight is a constant here
        loss = loss + 0.01 * objective(weight)  # moves the weight; the pole is a constant here

The start is a function of the seed, a step is a function of (state, weight, step), and `state_dict` holds
both state and step: a resumed run repeats the uninterrupted one.
"""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import partial
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from .kernel import at_least_float32, check_neurons


class Objective(Protocol):
    """(N, D) -> scalar to be minimised."""

    def __call__(self, weight: Tensor, /) -> Tensor: ...


class StatefulObjective(nn.Module, ABC):
    """An objective of one layer that holds the solution of an inner problem."""

    def __init__(self, dimensions: int, half_space: bool) -> None:
        super().__init__()
        if dimensions < 1:
            raise ValueError(f"dimensions must be at least 1, got {dimensions}")
        self.dimensions = dimensions
        self.half_space = half_space
        self.step = -1
        """The step that the state belongs to; -1 before the first."""

    def advance(self, weight: Tensor, step: int) -> None:
        """Move the inner state towards its solution for these neurons (N, D), as constants.

        A second call for the same step does nothing, so that logging an energy does not change it.
        """
        self._check(weight)
        if step != self.step:
            with torch.autocast(weight.device.type, enabled=False):
                self._advance(at_least_float32(weight.detach()), step)
            self.step = step

    @abstractmethod
    def _advance(self, neurons: Tensor, step: int) -> None: ...

    @abstractmethod
    def forward(self, weight: Tensor) -> Tensor:
        """The objective of `weight` (N, D) at the present state."""

    def get_extra_state(self) -> dict[str, Any]:
        return {"objective": type(self).__name__, "step": self.step}

    def set_extra_state(self, state: dict[str, Any]) -> None:
        """Raises ValueError for the state of another objective, whose buffers may have the same names."""
        if state["objective"] != type(self).__name__:
            raise ValueError(f"the state is of a {state['objective']}, this is a {type(self).__name__}")
        self.step = state["step"]

    def _check(self, weight: Tensor) -> None:
        check_neurons("weight", weight, power=0, distance="euclidean")
        if weight.shape[1] != self.dimensions:
            raise ValueError(
                f"this {type(self).__name__} was made for neurons of {self.dimensions} dimensions, "
                f"got weight of shape {tuple(weight.shape)}"
            )


def for_layer(objective: Callable[..., Any], dimensions: int, seed: int) -> Objective:
    """One layer's own objective: a `StatefulObjective` class, or a partial of it, is built; a function stays.

    dimensions: D of the layer's neurons. seed: of the inner state's start; give each layer another.
    Raises ValueError for an object that has a state already, which the layers would share.
    """
    if isinstance(objective, StatefulObjective):
        raise ValueError(
            f"objective: a {type(objective).__name__} holds the state of one layer; give the class, or a "
            "partial of it with its settings, from which each layer gets its own"
        )
    made_of = objective.func if isinstance(objective, partial) else objective
    if isinstance(made_of, type) and issubclass(made_of, StatefulObjective):
        return objective(dimensions, seed=seed)
    return objective


def mirrored(neurons: Tensor) -> Tensor:
    """(N, D) -> (2N, D): the neurons and their virtual opposites, section 3.4."""
    return torch.cat([neurons, -neurons])


def random_normal(shape: tuple[int, ...], *key: int) -> Tensor:
    """Normal numbers in float32 on the CPU, a function of the key: seed, and step where there is one.

    The generator takes 32 bits of a seed only; hashing the key leaves none of its parts out.
    """
    digest = hashlib.blake2b(repr(key).encode(), digest_size=4).digest()
    generator = torch.Generator().manual_seed(int.from_bytes(digest, "big"))
    return torch.randn(shape, generator=generator)


def ascend(
    gain: Callable[[Tensor], Tensor], points: Tensor, num_steps: int, rate: float, *, unrolled: bool = False
) -> Tensor:
    """Gradient ascent on the sphere: `points` (M, E), unit rows, after `num_steps` steps.

    gain: (M, E) -> (M,) or a scalar; its gradient is projected to the tangent space, and each step ends on
        the sphere again.
    unrolled: keep the steps in the graph, so that what `gain` depends on is differentiated through them.
    """
    for _ in range(num_steps):
        if not (unrolled and points.requires_grad):
            points = points.detach().requires_grad_()  # a new tensor: the caller's is often a buffer
        with torch.enable_grad():
            (slope,) = torch.autograd.grad(gain(points).sum(), points, create_graph=unrolled)
        slope = slope - (slope * points).sum(dim=1, keepdim=True) * points
        points = nn.functional.normalize(points + rate * slope, dim=1)
    return points if unrolled else points.detach()
