"""The settings of one term of Eq. (4): which energy of the neurons, its weight, and how layers add up."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any, Literal

from .kernel import Distance


@dataclass(frozen=True)
class EnergyTerm:
    """One term of Eq. (4). Raises ValueError for a value out of range and for settings that contradict."""

    weight: float = 1.0
    """lambda >= 0, the only factor of the energy. With 0 the term is logged and not part of the penalty."""
    power: float = 2.0
    """s of the Riesz kernel f_s(z) = z^-s; 0 is the logarithmic energy."""
    distance: Distance = "euclidean"
    """"euclidean" is MHE, Eq. (1); "angular" is A-MHE, Eq. (5)."""
    half_space: bool = False
    """Adds every neuron's mirror image (section 3.4). For hidden layers only."""
    layer_reduction: Literal["sum", "mean"] = "sum"
    """Over layers: the sum of Eq. (4), or the mean, whose weight does not grow with depth (Appendix A)."""
    neurons: int | None = None
    """Mini-batch approximation (section 3.6): so many neurons a layer, others in each step. None: all."""
    objective: Callable[..., Any] | None = None
    """What is minimised in the place of the energy, as objective.py has it: a function (N, D) -> scalar, or
    a class of `StatefulObjective`; settings of their own by functools.partial."""

    def __post_init__(self) -> None:
        for name, value in (("weight", self.weight), ("power", self.power)):
            if not (isinstance(value, Real) and math.isfinite(value) and value >= 0):
                raise ValueError(f"an energy term's {name} must be a finite number >= 0, got {value!r}")
        if self.distance not in ("euclidean", "angular"):
            raise ValueError(
                f"an energy term's distance must be 'euclidean' or 'angular', got {self.distance!r}"
            )
        if not isinstance(self.half_space, bool):
            raise ValueError(f"an energy term's half_space must be True or False, got {self.half_space!r}")
        if self.layer_reduction not in ("sum", "mean"):
            raise ValueError(
                f"an energy term's layer_reduction must be 'sum' or 'mean', got {self.layer_reduction!r}"
            )
        if self.neurons is not None and not (isinstance(self.neurons, Integral) and self.neurons >= 2):
            raise ValueError(
                f"a mini-batch of neurons needs a whole number, at least two, got neurons={self.neurons}"
            )
        if self.objective is None:
            return
        if not callable(self.objective):
            raise ValueError(
                f"an energy term's objective must be a function or class, got {self.objective!r}"
            )
        if self.neurons is not None:
            raise ValueError("a mini-batch of neurons is unbiased for the energy only; drop one of them")
        if (self.power, self.distance, self.half_space) != (2.0, "euclidean", False):
            raise ValueError(
                "power, distance and half_space are settings of the energy; "
                "give an objective its own by functools.partial"
            )

    @property
    def energy_settings(self) -> dict[str, Any]:
        """What `hyperspherical_energy` is called with."""
        return {"power": self.power, "distance": self.distance, "half_space": self.half_space}
