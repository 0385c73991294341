"""What changes over a run, as pure functions of the step: nothing here counts its own calls."""

from __future__ import annotations

from collections.abc import Sequence


def learning_rate(
    step: int, *, base: float, milestones: Sequence[int] = (), decay: float = 0.1, warmup_steps: int = 0
) -> float:
    """Learning rate of update `step`, counted from 0: Caffe's multistep policy, and a linear warm-up.

    At each milestone reached the rate is multiplied by `decay`. The first update of a warm-up takes
    base / warmup_steps, so that it is not waste; update warmup_steps - 1 is the first one at the full rate.
    """
    rate = base * decay ** sum(step >= milestone for milestone in milestones)
    if step < warmup_steps:
        rate *= (step + 1) / warmup_steps
    return rate
