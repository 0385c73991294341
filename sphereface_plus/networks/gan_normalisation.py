"""The layers of a generator or discriminator with a normalisation (normalisations/), and its power iteration.

Normalised maps get a learnt bias a channel; a learnt factor only where it is asked for: SN-GAN's authors take
it out of all discriminators that they compare (arXiv:1802.05957, section 4).

torch's spectral norm makes a power iteration whenever its weight is read in training mode: two batches, a
gradient penalty or an energy would each make one. Here it stands still but in `advance`, which a training
calls once before each update.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize
from torch.nn.utils.parametrizations import _SpectralNorm

from sphereface_plus.networks.normalisations import NORMALISATIONS, ChannelBias, Layer


def normalised_layer(layer: Layer, normalisation: str) -> Layer:
    """The layer itself, its weight parametrized where the normalisation is one of weights."""
    of_weights = NORMALISATIONS[normalisation].of_weights
    if of_weights is not None:
        of_weights(layer)
    return layer


def normalised_maps(channels: int, normalisation: str, *, factor: bool) -> nn.Module:
    """What follows a layer whose maps (B, C, H, W) are normalised; nothing where weights are.

    factor: with a learnt factor a channel, beside the bias.
    """
    of_maps = NORMALISATIONS[normalisation].of_maps
    if of_maps is None:
        return nn.Identity()
    norm = of_maps(channels, factor)
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


@torch.no_grad()
def start_orthonormal(network: nn.Module) -> None:
    """Gives every layer's weight, a matrix (neurons, all else), singular values of 1 alone: rows or columns
    that are orthonormal, as the baseline of SN-GAN's comparison starts (arXiv:1312.6120)."""
    for layer in network.modules():
        if isinstance(layer, Layer):
            weight = raw_weight(layer)
            matrix = weight.transpose(0, 1) if isinstance(layer, nn.ConvTranspose2d) else weight
            orthonormal = nn.init.orthogonal_(torch.empty(matrix.shape))
            matrix.copy_(orthonormal)


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
