"""A layer's weights as neurons: the vectors whose directions MHE spreads.

A neuron is what makes one output channel: a row of a linear layer, a filter of a convolution, flattened.

    layer                   weight                     groups of neurons (G, N/G, D)
    Linear                  (N, D)                     (1, N, D)
    Conv1d, 2d, 3d          (N, inputs/G, *kernel)     (G, N/G, inputs/G * kernel)
    ConvTranspose1d, 2d, 3d (inputs, N/G, *kernel)     (G, N/G, inputs/G * kernel)
    MultiheadAttention      in_proj_weight (3D, D)     (3, D, D): queries, keys, values
    a loss's prototypes     (C, D)                     (1, C, D)

The trap of transposed convolutions: their output channel is the second axis, counted again in each group,
while the groups are blocks of the first one.

Neurons of different groups read different inputs. The angle between them means nothing, so they belong to
different sets, as if each group were a layer. A depthwise convolution has one neuron a group: no pairs.

The weight is read as the forward pass would use it, so parametrizations (weight norm, spectral norm) are part
of the graph. Two of them have a memory. `parametrizations.spectral_norm` makes one more power iteration each
time that the weight is read in training mode. The deprecated `torch.nn.utils.weight_norm` and `spectral_norm`
compute the weight in the forward pass: read it after that.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn.parameter import is_lazy

TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
READABLE = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d, *TRANSPOSED, nn.MultiheadAttention)


def neurons_of(module: nn.Module) -> Tensor:
    """The neurons (N, D) of a layer without groups, differentiable; a view of its weight where it can be.

    Raises ValueError for a layer with groups, whose neurons cannot be compared with each other, and for a
    module that cannot be read as neurons.
    """
    groups = neuron_groups_of(module)
    if len(groups) > 1:
        raise ValueError(
            f"{module} has {len(groups)} groups of neurons, which read different inputs "
            "and cannot be compared; take neuron_groups_of"
        )
    return groups.squeeze(0)


def neuron_groups_of(module: nn.Module, *, as_in_memory: bool = False) -> Tensor:
    """The neurons (G, N/G, D) of a layer, group by group, differentiable. The table above says which layers.

    as_in_memory: a convolution's coordinates come in the order in which they lie in memory, the same for all
        its neurons, so that a weight with its channels last is not copied. Angles do not see the order.
    Raises ValueError for a module that cannot be read as neurons, and for a lazy layer without a weight.
    """
    if any(is_lazy(parameter) for parameter in module.parameters(recurse=False)):
        raise ValueError(f"{type(module).__name__} has no weight yet; run the model once on an example")
    if has_prototypes(module):
        return module.get_parameter("prototypes").unsqueeze(0)
    if isinstance(module, nn.Linear):
        return module.weight.unsqueeze(0)
    if isinstance(module, TRANSPOSED):
        by_group = module.weight.unflatten(0, (module.groups, -1))  # (G, inputs/G, N/G, *kernel)
        return by_group.transpose(1, 2).flatten(2)
    if isinstance(module, nn.Conv1d | nn.Conv2d | nn.Conv3d):
        weight = _as_in_memory(module.weight) if as_in_memory else module.weight
        return weight.unflatten(0, (module.groups, -1)).flatten(2)
    if isinstance(module, nn.MultiheadAttention) and module.in_proj_weight is not None:
        return module.in_proj_weight.unflatten(0, (3, -1))
    raise ValueError(f"{type(module).__name__} cannot be read as neurons")


def neuron_sets_of(module: nn.Module, *, as_in_memory: bool = False) -> list[Tensor]:
    """The groups of `neuron_groups_of` one by one, (N/G, D) each, by as few views as there can be: in a small
    layer autograd's way through them takes as long as the energy."""
    if isinstance(module, nn.Conv1d | nn.Conv2d | nn.Conv3d) and module.groups == 1 and as_in_memory:
        weight = module.weight
        if not is_lazy(weight):
            return [_as_in_memory(weight).flatten(1)]
    groups = neuron_groups_of(module, as_in_memory=as_in_memory)
    # The backward of unbind copies, and most layers have one group.
    return list(groups.unbind()) if len(groups) > 1 else [groups.squeeze(0)]


def _as_in_memory(weight: Tensor) -> Tensor:
    """A view of the filters (N, ...) with their axes sorted as they lie in memory."""
    return weight.permute(0, *sorted(range(1, weight.ndim), key=weight.stride, reverse=True))


def has_prototypes(module: nn.Module) -> bool:
    """Whether the module is a loss with a parameter `prototypes` (C, D): a classifier's class vectors."""
    prototypes = getattr(module, "prototypes", None)
    return isinstance(prototypes, nn.Parameter) and prototypes.ndim == 2
