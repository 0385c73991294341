"""A run of generator and discriminator as what is measured: its generator.

Opening one checks it and keeps what is said of it; its network is read when its images are made, so that a
thousand checkpoints take the memory of one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from sphereface_plus import checkpoint, weights
from sphereface_plus.config import GanConfig, from_dict
from sphereface_plus.model_files import CheckpointError, check_model, resolve_run
from sphereface_plus.networks import build_generator
from sphereface_plus.training.samples import pixels_of

from .errors import GeneratorError


@dataclass(frozen=True)
class Generator:
    """What is known of a generator, and how to have its images."""

    place: Path
    """What was asked for: a run folder or a checkpoint."""
    file: Path
    sha256: str
    config: GanConfig
    step: int
    averaged: bool
    """Whether it is the moving average of the generator."""
    device: torch.device

    def opened(self) -> Callable[[Tensor], Tensor]:
        """Reads the network: uint8 (B, H, W, C) on the device, of noise (B, Z), in float32. Raises
        GeneratorError where the file is not the one that was looked at, and where images are not finite."""
        network = _network(self.file, *gan_payload(self.file))
        if checkpoint.sha256(self.file) != self.sha256:  # a run that goes on writes its last checkpoint anew
            raise GeneratorError(
                f"{self.file}: was written anew while it was measured; measure a checkpoint that stays, "
                "checkpoints/step_*.pt, or wait until the run is done"
            )
        network = network.to(self.device).eval().requires_grad_(False)

        @torch.inference_mode()
        def images(noise: Tensor) -> Tensor:
            made = network(noise.to(self.device))
            if not bool(torch.isfinite(made).all()):
                raise GeneratorError(
                    f"{self.file}: its images are not finite; the run has diverged, take an earlier "
                    "checkpoint"
                )
            return pixels_of(made)

        return images

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
    digest = checkpoint.sha256(file)
    payload, config = gan_payload(file)
    _network(file, payload, config)  # whether it can be built, before hours of measuring others
    return Generator(place, file, digest, config, int(payload["step"]), "average" in payload, device)


def _network(file: Path, payload: dict[str, Any], config: GanConfig) -> nn.Module:
    """The moving average where there is one."""
    state = payload["average" if "average" in payload else "generator"]
    weights.check_tensors(file, generator=state)
    return weights.built(file, lambda: build_generator(config.network, image_size=config.data.side), state)


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
