"""The annealing of A- and L-Softmax: lambda, the weight of the plain cosine in the target logit."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Annealing:
    """lambda of a step: max(minimum, base * (1 + gamma * t) ** -power), with t = start + step + 1.

    The released layer adds one to its counter before it uses it, so that SphereFace's first update, step 0,
    has t = 1. start is the counter's initial value; SphereFace+ fine-tunes from 2000, where lambda has
    reached its minimum.
    """

    base: float
    gamma: float
    power: float
    minimum: float
    start: int = 0

    def __call__(self, step: int) -> float:
        t = self.start + step + 1
        return max(self.minimum, self.base * (1 + self.gamma * t) ** -self.power)
