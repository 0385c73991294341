"""The layers of a model, by name: which modules hold neurons, and which of them is the output layer."""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase

from torch import nn

from .neurons import READABLE, TRANSPOSED, has_prototypes

# Their weights have two axes or more without being the weights of neurons: tables, and gains by position.
_NO_NEURONS = (nn.Embedding, nn.EmbeddingBag, nn.LayerNorm, nn.RMSNorm)
_WRAPPERS = ("_orig_mod", "_checkpoint_wrapped_module")  # of torch.compile and of the checkpoint wrapper


def find_layers(model: nn.Module) -> dict[str, nn.Module]:
    """Name -> module of all layers with neurons, in the order of registration.

    Apart from those that `neuron_groups_of` reads, every module with a parameter of its own that is called a
    weight and has two axes or more (a recurrent or bilinear layer, somebody's own layer): what reads it
    learns that it cannot be read. Layers that share their weight are one layer, under the first name.
    A loss's prototypes are named `<loss>.prototypes`. The names are those of the bare model, without what
    DistributedDataParallel and torch.compile wrap around it.
    """
    layers: dict[str, nn.Module] = {}
    seen = set()
    for name, module in _unwrapped(model).named_modules():
        path = [part for part in name.split(".") if part and part not in _WRAPPERS]
        if "parametrizations" in path or not _holds_neurons(module):
            continue  # what computes a weight is not a layer
        weights = tuple(id(parameter) for key, parameter in module.named_parameters() if "bias" not in key)
        key = (isinstance(module, TRANSPOSED), weights)  # the other axis of the same weight: other neurons
        if key not in seen:
            seen.add(key)
            layers[".".join([*path, "prototypes"] if has_prototypes(module) else path) or "model"] = module
    return layers


def find_output_layer(layers: dict[str, nn.Module]) -> str:
    """The loss's prototypes, if the model holds them, or else the last layer in the order of registration.

    Raises ValueError where there are no layers, or prototypes of several losses.
    """
    if not layers:
        raise ValueError("the model has no layer with neurons")
    prototypes = [name for name, module in layers.items() if has_prototypes(module)]
    if len(prototypes) > 1:
        raise ValueError(
            f"the model has several output layers, {', '.join(prototypes)}; name one: output_layer="
        )
    return prototypes[0] if prototypes else list(layers)[-1]


def matching(layers: Iterable[str], patterns: str | Iterable[str], option: str) -> set[str]:
    """The layers whose name, or the name of a module that they lie in, matches one of the glob patterns.

    Raises ValueError, naming the option, for a pattern that matches no layer.
    """
    matched = set()
    layers = list(layers)
    for pattern in [patterns] if isinstance(patterns, str) else patterns:
        found = {name for name in layers if any(fnmatchcase(part, pattern) for part in _with_parents(name))}
        if not found:
            raise ValueError(f"{option} {pattern!r} matches no layer; the layers are {', '.join(layers)}")
        matched |= found
    return matched


def _with_parents(name: str) -> list[str]:
    parts = name.split(".")
    return [".".join(parts[:end]) for end in range(1, len(parts) + 1)]


def _holds_neurons(module: nn.Module) -> bool:
    if isinstance(module, READABLE) or has_prototypes(module):
        return True
    own = module.named_parameters(recurse=False)
    return not isinstance(module, _NO_NEURONS) and any("weight" in key and p.ndim > 1 for key, p in own)


def _unwrapped(model: nn.Module) -> nn.Module:
    """What DistributedDataParallel or torch.compile wraps."""
    while True:
        if isinstance(model, nn.parallel.DistributedDataParallel):
            model = model.module
        elif isinstance(inner := getattr(model, "_orig_mod", None), nn.Module):
            model = inner
        else:
            return model
