"""Weights of MHE by the name of who used them: for the paper, and for the code and logs of its authors.

    regularizer = MHERegularizer(model, **preset("mhe_code", power=0, half_space=True))

The released code (https://github.com/wy1iu/MHE, code/architecture.py) has other kernels than the paper and
hides factors in them. Here the energies are the paper's and the factors stand in the weights, so that a
coefficient of that code carries over and a logged energy keeps its meaning:

    s = 0               -log d^2, twice the paper's log(1/d)
    angular, s = 1, 2   0.1 / (theta/pi)^s, which is 0.1 pi^s times the paper's theta^-s
    angular, s = 0      -log(theta/pi), the paper's log(1/theta) and a constant

`mhe_log_full` and `mhe_log_half` are the weights that the magnitudes in the published logs reveal: in
half-space those of the code, in full space a tenth of them, for hidden layers and output alike.

What is left out are the code's guards: 1e-4 added to theta/pi, and to a neuron's squared length before the
neuron is divided by it. At lengths of 0.4 to 1.4 (He's initialisation gives 1.4) both together change an
energy by less than 0.2 % and a gradient by less than 1 %, except in the angular half-space energy at s = 0:
its gradient by up to 2.1 % at length 0.4 and 0.6 % at 1.4. (There a neuron and its mirror image are not quite
opposite: the arccos of their cosine, -|w|^2 / (|w|^2 + 1e-4), has a gradient along w.) The second guard
would matter for neurons much shorter than 0.1, which it draws out of the energy, and for coincident ones,
whose energy it bounds.
"""

from __future__ import annotations

import math
from typing import TypedDict

from .energy_term import EnergyTerm
from .kernel import Distance

# preset -> (hidden weight in full space, in half-space, output weight); None: not defined
WEIGHTS: dict[str, tuple[float | None, float | None, float]] = {
    "paper": (10.0, 1.0, 1.0),  # Appendix A
    "mhe_code": (1.0, 1.0, 10.0),
    "mhe_log_full": (0.1, None, 1.0),
    "mhe_log_half": (None, 1.0, 10.0),
}


class Terms(TypedDict):
    hidden: EnergyTerm
    output: EnergyTerm


def preset(
    name: str, *, power: float = 2.0, distance: Distance = "euclidean", half_space: bool | None = None
) -> Terms:
    """The two terms of `MHERegularizer`, as keywords for it.

    half_space: of the hidden term; None is the preset's own, full space where it has both.
    Raises ValueError for an unknown name, the wrong half_space, and powers that the code does not have.
    """
    if name not in WEIGHTS:
        raise ValueError(f"there is no preset {name!r}; there are {', '.join(WEIGHTS)}")
    full, half, output = WEIGHTS[name]
    if half_space is None:
        half_space = full is None
    weight = half if half_space else full
    if weight is None:
        raise ValueError(f"the preset {name} is {'full' if half_space else 'half'}-space; drop half_space")
    factor = 1.0 if name == "paper" else _code_factor(power, distance)
    return {
        "hidden": EnergyTerm(factor * weight, power, distance, half_space),
        "output": EnergyTerm(factor * output, power, distance),
    }


def _code_factor(power: float, distance: Distance) -> float:
    """The released code's kernel over the paper's."""
    if power not in (0, 1, 2):
        raise ValueError(f"the released code has the powers 0, 1 and 2, not {power}; use the preset paper")
    if distance == "euclidean":
        return 2.0 if power == 0 else 1.0
    return 1.0 if power == 0 else 0.1 * math.pi**power
