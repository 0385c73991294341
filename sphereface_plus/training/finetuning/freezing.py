"""What of a network a fine-tuning changes: frozen stages, learning rates by depth, LoRA adapters."""

from __future__ import annotations

from typing import Any

from torch import nn

from sphereface_plus.config import FinetuneConfig, OptimizerConfig
from sphereface_plus.networks import parameter_groups, parts
from sphereface_plus.training.finetuning.adapters import add_adapters
from sphereface_plus.training.finetuning.start import StartError


def freeze(network: nn.Module, config: FinetuneConfig) -> list[nn.Module]:
    """Takes the first stages out of the training, or, with adapters, all that the network has, and returns
    what has to stay in evaluation mode: batch normalisation would go on to follow the data.

    Raises StartError for more stages than there are, and for adapters where they cannot be made.
    """
    all_parts = parts(network)
    if config.frozen_stages > len(all_parts):
        raise StartError(
            f"finetune.frozen_stages: {config.frozen_stages}, the network has {len(all_parts)} parts"
        )
    frozen: list[nn.Module] = list(all_parts[: config.frozen_stages])
    for part in frozen:
        part.requires_grad_(False)
    if config.lora_rank is not None:
        frozen += add_adapters(network, config.lora_rank, config.lora_alpha)
    return frozen


def network_groups(
    network: nn.Module, optimizer: OptimizerConfig, layer_decay: float = 1.0
) -> list[dict[str, Any]]:
    """Optimizer groups of a network's trained parameters; parameter_groups has the multipliers of biases.

    layer_decay: factor on the learning rate from each part to the one before it, the last one at 1.
    """
    groups = parameter_groups(
        network, learning_rate=optimizer.learning_rate, weight_decay=optimizer.weight_decay
    )
    if layer_decay == 1:
        return groups
    found = []
    for above, part in enumerate(reversed(parts(network))):
        inside, factor = {id(parameter) for parameter in part.parameters()}, layer_decay**above
        for group in groups:
            params = [parameter for parameter in group["params"] if id(parameter) in inside]
            rates = {key: group[key] * factor for key in ("lr", "lr_multiplier")}
            found += [group | rates | {"params": params}] if params else []
    return found
