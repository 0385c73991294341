"""A run of generator and discriminator as what is measured: its generator, opened once."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from sphereface_plus import checkpoint, weights
from sphereface_plus.config import GanConfig, from_dict
from sphereface_plus.model_files import CheckpointError, check_model, resolve_run
from sphereface_plus.networks import build_gan
from sphereface_plus.training.samples import pixels_of

from .errors import GeneratorError


@dataclass(frozen=True)
class Generator:
    """A function from noise to images that knows what it is."""

    place: Path
    """What was asked for: a run folder or a checkpoint."""
    file: Path
    sha256: str
    config: GanConfig
    step: int
    network: nn.Module
    """In evaluation mode, on its device."""
    averaged: bool
    """Whether it is the moving average of the generator."""
    device: torch.device

    @torch.inference_mode()
    def images(self, noise: Tensor) -> Tensor:
        """uint8 (B, H, W, C) on the device, of noise (B, Z), in float32. Raises GeneratorError where they
        are not finite."""
        images = self.network(noise.to(self.device))
        if not bool(torch.isfinite(images).all()):
            raise GeneratorError(
                f"{self.file}: its images are not finite; the run has diverged, take an earlier checkpoint"
            )
        return pixels_of(images)

    @property
    def log(self) -> Path:
        """The run's log.jsonl, which need not be there."""
        return self.folder / "log.jsonl"

    @property
    def folder(self) -> Path:
        """The run's folder."""
        return self.file.parent.parent if self.file.parent.name == "checkpoints" else self.file.parent

    @property
    def facts(self) -> dict[str, Any]:
        """What a report says of it; plain data."""
        updates = -(-self.step // self.config.n_dis)
        return {
            "name": str(self.place),
            "recipe": self.config.name,
            "seed": self.config.seed,
            "step": self.step,
            "generator_updates": updates,
            "sha256": self.sha256,
            "averaged": self.averaged,
        }


def open_generator(place: Path, device: torch.device) -> Generator:
    """The generator of a run folder, its last one, or of a checkpoint: its moving average where there is one.

    Raises CheckpointError and ConfigError.
    """
    check_model(place)
    file = resolve_run(place)
    payload, config = gan_payload(file)
    averaged = "average" in payload
    state = payload["average" if averaged else "generator"]
    weights.check_tensors(file, generator=state)
    network = weights.built(file, lambda: build_gan(config.network, image_size=config.data.side)[0], state)
    network = network.to(device).eval().requires_grad_(False)
    digest = checkpoint.sha256(file)
    return Generator(place, file, digest, config, int(payload["step"]), network, averaged, device)


def gan_payload(file: Path) -> tuple[dict[str, Any], GanConfig]:
    """What a checkpoint of this task holds. Raises CheckpointError and ConfigError."""
    payload = checkpoint.load(file)
    config = from_dict(payload["config"], origin=str(file)) if "config" in payload else None
    if not isinstance(config, GanConfig):
        raise CheckpointError(
            f"{file}: is not of a training of a generator (task: gan), which is measured here"
            + ("" if config is None else f", but of task: {config.task}")
        )
    missing = [name for name in ("generator", "discriminator", "step") if name not in payload]
    if missing or not isinstance(payload["step"], int):
        raise CheckpointError(f"{file}: is not a whole checkpoint of ours ({(*missing, 'step')[0]})")
    return payload, config
