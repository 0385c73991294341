"""A model described for a person: layers, what it expects, its energies, where it comes from."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from sphereface_plus import checkpoint, weights
from sphereface_plus.config import (
    FaceConfig,
    ImageConfig,
    MHEConfig,
    NetworkConfig,
    RunConfig,
    from_dict,
    to_dict,
)
from sphereface_plus.errors import UserError, memory_is_short
from sphereface_plus.mhe import EnergyTerm, MHERegularizer, classifier_energy, smallest_angle
from sphereface_plus.model_files import CheckpointError, check_model, resolve
from sphereface_plus.networks import build_image_network, build_network
from sphereface_plus.training import tasks
from sphereface_plus.weights import Weights
from sphereface_plus.words import counted


def describe(model: str | Path) -> str:
    """Lines about a run, a checkpoint or a weight file. Raises CheckpointError or ConfigError."""
    check_model(model)
    file = resolve(model)
    if file.suffix == ".safetensors":
        return "\n".join(_of_weights(weights.load(file)))
    payload = checkpoint.load(file)
    try:
        config = from_dict(payload["config"], origin=str(file))
        weights.check_tensors(file, payload["network"], payload["loss"])
        lines = list(MODEL_LINES[config.task](file, payload, config))
        return "\n".join([*_provenance(file, payload, config), "", *lines])
    except UserError:
        raise
    except (AttributeError, LookupError, RuntimeError, TypeError, ValueError) as error:
        if memory_is_short(error):
            raise
        what = f"{type(error).__name__}: {error}".partition("\n")[0][:200]
        raise CheckpointError(
            f"{file}: is not a whole checkpoint of ours, something is missing or of another kind ({what})"
        ) from None


def _of_weights(model: Weights) -> Iterator[str]:
    info, origin = model.info, model.info.origin
    yield f"{model.file}"
    yield f"  sha256     {model.sha256}"
    yield f"  from       {origin.file} ({origin.format}), sha256 {origin.sha256}"
    yield f"  license    {origin.license or 'not stated'}"
    yield from (f"  {name:<10} {value}" for name, value in origin.training.items())
    yield from (f"  note       {remark}" for remark in origin.remarks)
    yield ""
    yield from _network(model.file, model.network, info.network)
    if "prototypes" in model.loss:
        yield ""
        yield from _prototypes(model.loss["prototypes"], MHEConfig())


def _provenance(file: Path, payload: dict[str, Any], config: RunConfig) -> Iterator[str]:
    task = tasks.of(config)
    yield f"{file}"
    yield f"  sha256     {checkpoint.sha256(file)}"
    yield f"  recipe     {config.name}, step {payload['step']} of {config.train.steps}, seed {config.seed}"
    things = counted(payload["num_crops"], task.thing)
    groups = counted(len(payload["identities"]), task.group)
    yield f"  data       {config.data.path}: {things} of {groups}"
    yield f"  loss       {task.loss(config)}, {task.mhe_weights(config)}"
    if start := payload["start"]:
        yield f"  started    from {start['source']}, step {start['step']}, sha256 {start['sha256']}"
    for change in payload.get("changes", []):
        what = f"{change['setting']} {change['before']} -> {change['now']}"
        yield f"  changed    from step {change['step']} on: {what}"
    if best := payload["best"]:
        yield f"  best       validation accuracy {best['accuracy']:.2%} at step {best['step']}"


def _of_faces(file: Path, payload: dict[str, Any], config: FaceConfig) -> Iterator[str]:
    yield from _network(file, payload["network"], config.network)
    if "prototypes" in payload["loss"]:  # triplet loss has none
        yield ""
        yield from _prototypes(payload["loss"]["prototypes"], config.mhe)


def _network(file: Path, state: dict[str, Tensor], config: NetworkConfig) -> Iterator[str]:
    timm = config.name.startswith("timm:")
    network = weights.built(file, lambda: build_network(config), state, needs_memory=timm)
    yield from _layers(network, config.name)
    yield from ("", "input spec")
    yield from (f"  {name:<10} {value}" for name, value in to_dict(config.input).items())


@torch.inference_mode()
def _of_images(file: Path, payload: dict[str, Any], config: ImageConfig) -> Iterator[str]:
    network = weights.built(
        file,
        lambda: build_image_network(config.network, in_channels=config.data.channels),
        payload["network"],
    )
    yield from _layers(network, config.network.name)
    prototypes = payload["loss"]["prototypes"]  # (C, D)
    classifier = nn.Linear(*reversed(prototypes.shape), bias=False)
    classifier.weight.copy_(prototypes)
    model = nn.ModuleDict({"network": network, "classifier": classifier})
    energies = MHERegularizer(model, hidden=EnergyTerm(), output=EnergyTerm()).layer_energies()
    yield from ("", "energy, power 2, euclidean")
    yield from (f"  {name.removeprefix('network.'):<24} {energy:.6f}" for name, energy in energies.items())


MODEL_LINES = {"face": _of_faces, "image": _of_images}
"""Task -> the lines about the model of a checkpoint."""


def _layers(network: nn.Module, name: str) -> Iterator[str]:
    yield f"network {name}: {sum(p.numel() for p in network.parameters()):,} parameters"
    for name, module in network.named_modules():
        own = list(module.parameters(recurse=False))
        if own:
            shape = " x ".join(str(size) for size in own[0].shape)
            yield f"  {name:<24} {type(module).__name__:<8} {shape:<20} {sum(p.numel() for p in own):>12,}"


@torch.inference_mode()
def _prototypes(prototypes: Tensor, mhe: MHEConfig) -> Iterator[str]:
    identities, size = prototypes.shape
    # Eq. (8) with every label once is the mean over all ordered pairs, and it streams.
    energy = classifier_energy(
        prototypes,
        torch.arange(identities),
        power=mhe.power,
        distance=mhe.distance,
        chunk_size=mhe.chunk_size,
    )
    angle = math.degrees(float(smallest_angle(prototypes)))
    yield f"prototypes {identities} x {size}"
    yield f"  energy          {float(energy):.6f}  (power {mhe.power:g}, {mhe.distance})"
    yield f"  smallest angle  {angle:.2f} degrees"
