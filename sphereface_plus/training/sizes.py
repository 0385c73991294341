"""How many bytes a learner's state takes in a checkpoint, the rows that other processes hold among them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from torch import Tensor
from torch.optim import Optimizer

from sphereface_plus.held_rows import HeldRows


def size_of(value: Any) -> int:
    """About how many bytes plain data and tensors take in a checkpoint."""
    if isinstance(value, Tensor | HeldRows):
        return value.numel() * value.element_size()
    if isinstance(value, dict):
        return sum(size_of(part) for part in (*value, *value.values()))
    if isinstance(value, list | tuple):
        return sum(size_of(part) for part in value)
    return len(value) if isinstance(value, str) else 8


def size_to_come(optimizer: Optimizer, kept: Callable[[Tensor], Any] = lambda parameter: parameter) -> int:
    """Bytes that an optimizer keeps from its first step on: a momentum, Adam's two means, RMSprop's mean
    square; 0 if it has them.

    kept: a parameter -> what stands for it in a checkpoint.
    """
    if optimizer.state:
        return 0
    return sum(
        _means(group) * size_of([kept(parameter) for parameter in _learning(group["params"])])
        for group in optimizer.param_groups
    )


def _means(group: dict[str, Any]) -> int:
    of_adam = 2 + bool(group.get("amsgrad")) if "betas" in group else 0
    of_rmsprop = 1 + bool(group.get("centered")) if "alpha" in group else 0
    return of_adam + of_rmsprop + bool(group.get("momentum"))


def _learning(parameters: Iterable[Tensor]) -> Iterable[Tensor]:
    return (parameter for parameter in parameters if parameter.requires_grad)
