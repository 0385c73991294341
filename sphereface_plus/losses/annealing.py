"""A-Softmax's annealing lambda, the weight of the plain cosine in the target logit."""

from __future__ import annotations


def annealing_lambda(
    step: int, *, base: float, gamma: float, power: float, minimum: float, start: int = 0
) -> float:
    """max(minimum, base * (1 + gamma * t) ** -power), with t = start + step + 1.

    step: 0 for the first update. The released layer adds one to its counter before it uses it, so that
    SphereFace's first update has t = 1. start is the counter's initial value; SphereFace+ fine-tunes from
    2000, where lambda has reached its minimum.
    """
    t = start + step + 1
    return max(minimum, base * (1 + gamma * t) ** -power)
