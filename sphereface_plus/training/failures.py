"""Failures by name: what went wrong in a training, and what to try."""

from __future__ import annotations

import math
from collections import deque

from sphereface_plus.errors import UserError


class NonFiniteError(UserError):
    """A loss or gradient that is no number any more; raised before the update: the weights are still good."""

    def __init__(self, step: int, what: str) -> None:
        super().__init__(f"step {step}: the {what} is not finite")
        self.step = step


class ChanceLevel:
    """Notices a training that does not learn: its cross-entropy without margin stays at ln(C).

    ln(C) is the cross-entropy of equal logits for all C identities, where a network that ignores its input
    ends. The rule: every logged value of the last `steps` steps, five at least, lies within 1 % of ln(C).
    """

    def __init__(self, num_identities: int, *, steps: int = 200) -> None:
        self._level, self._steps = math.log(num_identities), steps
        self._num_identities = num_identities
        self._at_level: deque[int] = deque()  # steps of the logged values in one stretch at ln(C)
        self._said = False

    def warning(self, step: int, cross_entropy: float) -> str | None:
        """The warning, once in a run, at the step where the rule first holds."""
        if abs(cross_entropy - self._level) > 0.01 * self._level:
            self._at_level.clear()
            return None
        self._at_level.append(step)
        stretch = step - self._at_level[0]
        if self._said or stretch < self._steps or len(self._at_level) < 5:
            return None
        self._said = True
        return (
            f"warning: chance level: since step {self._at_level[0]} the loss has been "
            f"ln({self._num_identities}) = {self._level:.3f}, what guessing gives. Try a lower or warmed-up "
            "learning rate (optimizer.learning_rate, optimizer.warmup_steps), clipped gradients "
            "(optimizer.clip_norm), a larger batch; for faces a gentler margin at the start "
            "(loss.lambda_base, loss.lambda_min) or a softmax-trained network to start from (--init-from); "
            "and look whether the labels belong to their images"
        )
