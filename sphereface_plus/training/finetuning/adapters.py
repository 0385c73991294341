"""LoRA (Hu et al. 2021, arXiv:2106.09685) by peft: weights W stay, W + (alpha / rank) B A is computed, and
only the small A and B are trained.

A checkpoint holds the merged weights under `network`, so that whatever takes a model needs no peft, and W, A
and B under `adapters`, to go on from.
"""

from __future__ import annotations

import re
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from sphereface_plus.training.finetuning.start import StartError


def add_adapters(network: nn.Module, rank: int, alpha: int) -> list[nn.Module]:
    """Gives every full convolution and linear layer that is not frozen an adapter, which changes nothing yet.

    All weights that the network has are frozen, biases and slopes too. Returns its batch normalisation, which
    has to stay in evaluation mode: it would go on to follow the data.
    Raises StartError where peft is missing, or everything is frozen.
    """
    try:
        from peft import LoraConfig, inject_adapter_in_model  # pyright: ignore[reportMissingImports]
    except ImportError:
        raise StartError(
            "finetune.lora_rank needs peft, which is not installed: pip install 'sphereface-plus[lora]'"
        ) from None
    layers = [
        name
        for name, module in network.named_modules()
        if isinstance(module, nn.Conv2d | nn.Linear)
        and module.weight.requires_grad
        and getattr(module, "groups", 1) == 1  # a grouped convolution's weights are few already
    ]
    if not layers:
        raise StartError("finetune.frozen_stages leaves no layer for the adapters of finetune.lora_rank")
    network.requires_grad_(False)
    # peft takes a list's names for the ends of names; a pattern has to match the whole of one.
    whole_names = "|".join(map(re.escape, layers))
    config = LoraConfig(r=rank, lora_alpha=alpha, target_modules=whole_names, bias="none")
    inject_adapter_in_model(config, network)
    return [module for module in network.modules() if isinstance(module, _BatchNorm)]


def network_state(network: nn.Module) -> dict[str, Any]:
    """What a checkpoint holds of a network: `network`, its weights, and `adapters` where it has some."""
    if not _adapted(network):
        return {"network": network.state_dict()}
    return {"network": merged(network), "adapters": network.state_dict()}


def load_network_state(network: nn.Module, state: dict[str, Any]) -> None:
    """Puts back what `network_state` gave."""
    network.load_state_dict(state["adapters"] if _adapted(network) else state["network"])


@torch.no_grad()
def merged(network: nn.Module) -> dict[str, Tensor]:
    """The state dict of the network without adapters, their part added to its weights."""
    state = {name: value for name, value in network.state_dict().items() if ".lora_" not in name}
    for name, layer in _adapted(network).items():
        weight = f"{name}.base_layer.weight"
        state[weight] = state[weight] + layer.get_delta_weight("default")  # pyright: ignore
    return {name.replace(".base_layer.", "."): value for name, value in state.items()}


def _adapted(network: nn.Module) -> dict[str, nn.Module]:
    return {name: module for name, module in network.named_modules() if hasattr(module, "lora_A")}
