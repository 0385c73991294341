"""Caffe's lr_mult and decay_mult as optimizer groups."""

from __future__ import annotations

from typing import Any

from torch import nn


def parameter_groups(module: nn.Module, *, learning_rate: float, weight_decay: float) -> list[dict[str, Any]]:
    """Optimizer groups of a network or of a loss with prototypes.

    Biases learn twice as fast and are not decayed (lr_mult 2, decay_mult 0). All else has Caffe's default of
    1 and 1: weights, prototypes, and the PReLU slopes too, which the released training decays.
    A schedule sets `group["lr"] = learning_rate * group["lr_multiplier"]`.
    """
    rest, biases = [], []
    for name, parameter in module.named_parameters():
        (biases if name.rpartition(".")[2] == "bias" else rest).append(parameter)
    groups = [_group(rest, 1.0, 1.0, learning_rate, weight_decay)]
    if biases:
        groups.append(_group(biases, 2.0, 0.0, learning_rate, weight_decay))
    return groups


def _group(
    parameters: list[nn.Parameter],
    lr_multiplier: float,
    decay_multiplier: float,
    learning_rate: float,
    weight_decay: float,
) -> dict[str, Any]:
    return {
        "params": parameters,
        "lr": learning_rate * lr_multiplier,
        "weight_decay": weight_decay * decay_multiplier,
        "lr_multiplier": lr_multiplier,
    }
