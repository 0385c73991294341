"""Failures by name: what went wrong in a training, and what to try."""

from __future__ import annotations

import math
import re
import signal
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from sphereface_plus.config import RunConfig
from sphereface_plus.errors import UserError, memory_is_short
from sphereface_plus.training.folder import RunError, settings_of

# What torch.compile's two back ends, C++ and Triton, say where their compiler is missing.
_NO_COMPILER = re.compile("No working C\\+\\+ compiler|Failed to find C compiler")


class NonFiniteError(UserError):
    """A loss or gradient that is not finite; raised before the update: the weights are still good.

    made: what of this step's updates was made before, in words; nothing if not given.
    """

    def __init__(self, step: int, what: str, made: str | None = None) -> None:
        after = f", after {made} of this step, which the state holds" if made else ""
        super().__init__(f"step {step}: the {what} is not finite{after}")
        self.step = step


class BrokenModelError(UserError):
    """A model that gives numbers that are not finite; raised by the validation that asked it."""


@contextmanager
def explained(config: RunConfig) -> Iterator[None]:
    """What the machine lacks, which torch tells by errors of many kinds, as a RunError with what to do."""
    try:
        yield
    except (RuntimeError, MemoryError, ConnectionError, EOFError) as error:
        sentence = _what_is_missing(error, config)
        if sentence is None:
            raise
        raise RunError(sentence) from None


def _what_is_missing(error: Exception, config: RunConfig) -> str | None:
    if config.train.compile and _NO_COMPILER.search(str(error)):
        return (
            "train.compile needs a C++ compiler, and torch finds none: install g++, or set "
            "train.compile=false"
        )
    workers = settings_of(config).get("data.workers", 0)  # not every task reads by processes
    if memory_is_short(error):
        reason = (str(error) or type(error).__name__).partition("\n")[0][:200]
        readers = "; the processes of data.workers take some each" if workers else ""
        return (
            f"memory is short ({reason}); lower train.batch_size, or raise train.accumulate, which cuts a "
            f"batch into parts{readers}"
        )
    # Torch raises it wherever the signal of the death comes, even while the batches are closed; the others
    # come of asking the dead for a batch's memory.
    died = "DataLoader worker" in str(error) or isinstance(error, ConnectionError | EOFError)
    died = died and not isinstance(error, BrokenPipeError)  # who reads what is printed has left
    if died and workers:
        _leave_children_alone()
        return (
            "a process that reads crops has died, perhaps because memory ran out; go on with --resume, and "
            "with fewer of them: --set data.workers=..., 0 reads in the training process"
        )
    return None


def _leave_children_alone() -> None:
    """torch would raise the death of the reader again wherever the next signal of any child comes, as long as
    somebody holds the error that tells of it."""
    if threading.current_thread() is threading.main_thread() and hasattr(signal, "SIGCHLD"):
        signal.signal(signal.SIGCHLD, lambda *_: None)


class Stretch:
    """Notices, once, that something held in every logged value of the last `steps` steps, five at least."""

    def __init__(self, steps: int = 200) -> None:
        self._steps, self._said = steps, False
        self._first, self._values = 0, 0  # of the stretch that goes on: its first step, its logged values

    def began(self, step: int, holds: bool) -> int | None:
        """Where the stretch began, at the step where it is long enough; None before, and ever after."""
        self._values = self._values + 1 if holds else 0
        if self._values == 1:
            self._first = step
        if self._said or self._values < 5 or step - self._first < self._steps:
            return None
        self._said = True
        return self._first

    def state_dict(self) -> dict[str, int | bool]:
        """Where the stretch stands; plain data."""
        return {"first": self._first, "values": self._values, "said": self._said}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self._first, self._values, self._said = state["first"], state["values"], state["said"]


class ChanceLevel:
    """Notices a training that does not learn: its cross-entropy without margin stays at ln(C).

    ln(C) is the cross-entropy of equal logits for all C identities, where a network that ignores its input
    ends. The rule: every logged value of the last `steps` steps, five at least, lies within 1 % of ln(C).
    """

    def __init__(self, num_identities: int, *, steps: int = 200) -> None:
        self._level, self._num_identities = math.log(num_identities), num_identities
        self._at_level = Stretch(steps)

    def warning(self, step: int, cross_entropy: float) -> str | None:
        """The warning, once in a run, at the step where the rule first holds."""
        began = self._at_level.began(step, abs(cross_entropy - self._level) <= 0.01 * self._level)
        if began is None:
            return None
        return (
            f"warning: chance level: since step {began} the loss has been "
            f"ln({self._num_identities}) = {self._level:.3f}, what guessing gives. Try a lower or warmed-up "
            "learning rate (optimizer.learning_rate, optimizer.warmup_steps), clipped gradients "
            "(optimizer.clip_norm), a larger batch; for faces a gentler margin at the start "
            "(loss.lambda_base, loss.lambda_min) or a softmax-trained network to start from (--init-from); "
            "and look whether the labels belong to their images"
        )
