"""How the layers of a generator or discriminator are normalised: by their maps, or by their weights.

    none        nothing
    batch       maps, over batch, height and width
    layer       maps, over channels, height and width
    weight      filters of length 1
    spectral    weights divided by their largest singular value (Eq. (21) of arXiv:1805.09298), by one power
                iteration a step

Maps get a learnt bias a channel after it; a learnt factor only where it is asked for: SN-GAN's authors take
it out of all discriminators that they compare (arXiv:1802.05957, section 4).

torch's spectral norm makes a power iteration whenever its weight is read in training mode: two batches, a
gradient penalty or an energy would each make one. Here it stands still but in `advance`, which a training
calls once before each update.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize
from torch.nn.utils.parametrizations import _SpectralNorm, spectral_norm

Normalisation = Literal["none", "batch", "layer", "weight", "spectral"]
Layer = nn.Linear | nn.Conv2d | nn.ConvTranspose2d

BATCH_NORM_EPS = 2e-5
"""Chainer's, and that of the released code; its running averages keep 0.9, as torch's do."""


class UnitFilters(nn.Module):
    """A parametrization: weights of which each neuron has length 1, of any length before.

    axis: of the neurons, 1 in transposed convolutions.
    """

    def __init__(self, axis: int) -> None:
        super().__init__()
        self.axis = axis

    def forward(self, weight: Tensor) -> Tensor:
        others = [axis for axis in range(weight.ndim) if axis != self.axis]
        return weight / torch.linalg.vector_norm(weight, dim=others, keepdim=True).clamp_min(1e-12)


class ChannelBias(nn.Module):
    """Adds a learnt number a channel to maps (B, C, H, W)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, maps: Tensor) -> Tensor:
        return maps + self.bias[:, None, None]


def normalised_layer(layer: Layer, normalisation: Normalisation) -> Layer:
    """The layer itself, its weight parametrized where the normalisation is one of weights."""
    if normalisation == "weight":
        axis = 1 if isinstance(layer, nn.ConvTranspose2d) else 0
        parametrize.register_parametrization(layer, "weight", UnitFilters(axis))
    elif normalisation == "spectral":
        spectral_norm(layer, eps=1e-12)
    return layer


def normalised_maps(channels: int, normalisation: Normalisation, *, factor: bool) -> nn.Module:
    """What follows a layer whose maps (B, C, H, W) are normalised; nothing where weights are.

    factor: with a learnt factor a channel, beside the bias.
    """
    if normalisation == "batch":
        norm = nn.BatchNorm2d(channels, eps=BATCH_NORM_EPS, affine=factor)
    elif normalisation == "layer":
        norm = nn.GroupNorm(1, channels, affine=factor)  # one group: over all channels of an image
    else:
        return nn.Identity()
    return norm if factor else nn.Sequential(norm, ChannelBias(channels))


@torch.no_grad()
def advance(network: nn.Module) -> None:
    """One power iteration of each spectrally normalised weight, which then stands still until the next call.

    Call it after `network.train()`, which lets them go.
    """
    for layer in network.modules():
        if not parametrize.is_parametrized(layer, "weight"):
            continue
        for norm in layer.get_submodule("parametrizations.weight").children():
            if isinstance(norm, _SpectralNorm):
                norm.train()
                norm(raw_weight(layer))
                norm.eval()


@contextmanager
def weights_once(*networks: nn.Module) -> Iterator[None]:
    """Within it each normalised weight is computed once, in float32 also where the network runs below it.

    One backward ends it: the graph of the weights is freed with it.
    """
    with parametrize.cached():
        with torch.autocast("cpu", enabled=False), torch.autocast("cuda", enabled=False):
            for layer in (layer for network in networks for layer in network.modules()):
                if parametrize.is_parametrized(layer, "weight"):
                    _ = layer.weight
        yield


def raw_weight(layer: nn.Module) -> Tensor:
    """The weight that is learnt, before any normalisation of it."""
    if parametrize.is_parametrized(layer, "weight"):
        return layer.get_submodule("parametrizations.weight").get_parameter("original")
    return layer.get_parameter("weight")


def raw_layers(network: nn.Module) -> nn.ModuleDict:
    """A network's layers with the very weights that are learnt, before any normalisation of them.

    For energies and penalties of weights: name -> a layer without bias that shares its weight with the
    network's, also after the network is loaded or moved in place. Dots in names become `_`.
    """
    layers = nn.ModuleDict()
    for name, layer in network.named_modules():
        if not isinstance(layer, Layer):
            continue
        if isinstance(layer, nn.Linear):
            bare = nn.Linear(layer.in_features, layer.out_features, bias=False, device="meta")
        else:
            kind = nn.ConvTranspose2d if isinstance(layer, nn.ConvTranspose2d) else nn.Conv2d
            height, width = layer.kernel_size
            bare = kind(layer.in_channels, layer.out_channels, (height, width), bias=False, device="meta")
        bare.weight = raw_weight(layer)  # pyright: ignore[reportAttributeAccessIssue]
        layers[name.replace(".", "_")] = bare
    return layers
