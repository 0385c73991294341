"""Multipliers of learning rate and weight decay as optimizer groups: Caffe's lr_mult and decay_mult."""

from __future__ import annotations

from typing import Any

from torch import nn

CAFFE_BIAS_MULTIPLIERS = (2.0, 0.0)


def parameter_groups(module: nn.Module, *, learning_rate: float, weight_decay: float) -> list[dict[str, Any]]:
    """Optimizer groups of a network or of a loss: what is trained of it, none for a loss without parameters.

    Biases learn twice as fast and are not decayed (lr_mult 2, decay_mult 0), unless the module says otherwise
    by an attribute `bias_multipliers`, (of the learning rate, of the decay). All else has Caffe's default of
    1 and 1: weights, prototypes, and the PReLU slopes too, which the released training decays.
    A schedule sets `group["lr"] = learning_rate * group["lr_multiplier"]`.
    """
    rest, biases = [], []
    for name, parameter in module.named_parameters():
        if parameter.requires_grad:
            (biases if name.rpartition(".")[2] == "bias" else rest).append(parameter)
    bias_multipliers = getattr(module, "bias_multipliers", CAFFE_BIAS_MULTIPLIERS)
    return [
        _group(group, lr_multiplier, decay_multiplier, learning_rate, weight_decay)
        for group, (lr_multiplier, decay_multiplier) in ((rest, (1.0, 1.0)), (biases, bias_multipliers))
        if group
    ]


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
