"""What `sphereface-plus show` says of the model in a checkpoint, of each task."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from sphereface_plus import weights
from sphereface_plus.config import FaceConfig, GanConfig, ImageConfig, MHEConfig, NetworkConfig, to_dict
from sphereface_plus.mhe import EnergyTerm, MHERegularizer, classifier_energy, smallest_angle
from sphereface_plus.model_files import CheckpointError
from sphereface_plus.networks import build_discriminator, build_generator, build_image_network, build_network
from sphereface_plus.networks.gan_normalisation import raw_layers


def of_faces(file: Path, payload: dict[str, Any], config: FaceConfig) -> Iterator[str]:
    """Of a training on faces. Raises CheckpointError."""
    weights.check_tensors(file, network=payload["network"], loss=payload["loss"])
    yield from network_lines(file, payload["network"], config.network)
    if "prototypes" in payload["loss"]:  # triplet loss has none
        yield ""
        yield from prototype_lines(payload["loss"]["prototypes"], config.mhe)


def network_lines(file: Path, state: dict[str, Tensor], config: NetworkConfig) -> Iterator[str]:
    """The layers of a network of faces, and what crops it takes. Raises CheckpointError."""
    timm = config.name.startswith("timm:")
    network = weights.built(file, lambda: build_network(config), state, needs_memory=timm)
    yield from layer_lines(network, config.name)
    yield from ("", "input spec")
    yield from (f"  {name:<10} {value}" for name, value in to_dict(config.input).items())


@torch.inference_mode()
def of_images(file: Path, payload: dict[str, Any], config: ImageConfig) -> Iterator[str]:
    """Of an image classification, with the energy of each layer. Raises CheckpointError."""
    weights.check_tensors(file, network=payload["network"], loss=payload["loss"])
    network = weights.built(
        file,
        lambda: build_image_network(config.network, in_channels=config.data.channels),
        payload["network"],
    )
    yield from layer_lines(network, config.network.name)
    prototypes = payload["loss"].get("prototypes")  # (C, D)
    if prototypes is None or len(prototypes) < 2:
        raise CheckpointError(f"{file}: is not a whole checkpoint of ours, it lacks prototypes")
    classifier = nn.Linear(*reversed(prototypes.shape), bias=False)
    classifier.weight.copy_(prototypes)
    model = nn.ModuleDict({"network": network, "classifier": classifier})
    energies = MHERegularizer(model, hidden=EnergyTerm(), output=EnergyTerm()).layer_energies()
    yield from ("", "energy, power 2, euclidean")
    yield from (f"  {name.removeprefix('network.'):<24} {energy:.6f}" for name, energy in energies.items())


@torch.inference_mode()
def of_gans(file: Path, payload: dict[str, Any], config: GanConfig) -> Iterator[str]:
    """Of a generator and its discriminator, with the energy of each of the latter's layers. Raises
    CheckpointError."""
    states = {name: payload[name] for name in ("generator", "discriminator")}
    weights.check_tensors(file, **states)
    generator, discriminator = (
        weights.built(file, partial(build, config.network, image_size=config.data.side), state)
        for build, state in zip((build_generator, build_discriminator), states.values(), strict=True)
    )
    regularizer = MHERegularizer(
        raw_layers(discriminator), hidden=EnergyTerm(half_space=True), output=None, output_layer=False
    )
    energies = regularizer.layer_energies()
    for name, network in (("generator", generator), ("discriminator", discriminator)):
        network.eval()
        for layer in network.modules():
            if parametrize.is_parametrized(layer, "weight"):
                parametrize.remove_parametrizations(layer, "weight")  # which have lines of their own else
        yield from layer_lines(network, f"{config.network.name}, {name}", kind_width=16)
        yield ""
    yield "half-space energy of the discriminator, power 2, euclidean"
    yield from (f"  {name:<24} {energy:.6f}" for name, energy in energies.items())


def layer_lines(network: nn.Module, name: str, kind_width: int = 8) -> Iterator[str]:
    """Number of parameters, and each layer that has some."""
    yield f"network {name}: {sum(p.numel() for p in network.parameters()):,} parameters"
    for name, module in network.named_modules():
        own = list(module.parameters(recurse=False))
        if own:
            largest, number = max(own, key=Tensor.numel), sum(p.numel() for p in own)
            shape = " x ".join(str(size) for size in largest.shape)
            yield f"  {name:<24} {type(module).__name__:<{kind_width}} {shape:<20} {number:>12,}"


ALL_PAIRS_IDENTITIES = 100_000  # a minute of two cores in 512 dimensions
SOME = 4096  # prototypes, with all others


@torch.inference_mode()
def prototype_lines(prototypes: Tensor, mhe: MHEConfig) -> Iterator[str]:
    """The energy and the smallest angle of prototypes (C, D); of many, what takes minutes and not hours."""
    identities, size = prototypes.shape
    labels = torch.arange(identities)
    if identities > ALL_PAIRS_IDENTITIES:
        labels = labels[:: identities // SOME]
    # Eq. (8) with every label once is the mean over all ordered pairs; a part of them keeps memory small.
    energy = sum(
        len(some)
        * classifier_energy(
            prototypes, some, power=mhe.power, distance=mhe.distance, chunk_size=mhe.chunk_size
        ).double()
        for some in labels.split(SOME)
    ) / len(labels)
    pairs = "" if len(labels) == identities else f", of {len(labels):,} with all others"
    yield f"prototypes {identities} x {size}"
    yield f"  energy          {float(energy):.6f}  (power {mhe.power:g}, {mhe.distance}{pairs})"
    if identities > ALL_PAIRS_IDENTITIES:
        yield f"  smallest angle  not looked for in {identities**2 // 2:.1e} pairs"
    else:
        yield f"  smallest angle  {math.degrees(smallest_angle(prototypes)):.2f} degrees"
