"""The parts of a training of generator and discriminator: images, two networks, learner, samples."""

from __future__ import annotations

from pathlib import Path

import torch

from sphereface_plus.config import ConfigError, GanConfig
from sphereface_plus.data.image_sets import open_images
from sphereface_plus.data.images import Augmentation
from sphereface_plus.data.noise import sample_noise
from sphereface_plus.data.squares import squares_of_faces, squares_of_folder
from sphereface_plus.networks import build_gan
from sphereface_plus.networks.normalisations import NORMALISATIONS
from sphereface_plus.processes import Processes
from sphereface_plus.training.folder import RunFolder
from sphereface_plus.training.gan_collapse import Collapse
from sphereface_plus.training.gan_learner import GanLearner
from sphereface_plus.training.run_parts import Run
from sphereface_plus.training.samples import write_grid
from sphereface_plus.training.sets import SmallImages, UnlabelledImages
from sphereface_plus.words import counted

SAMPLES = 64
FEW = 1000
"""Fewer real images than this a discriminator soon knows by heart."""


def build(config: GanConfig, folder: RunFolder, processes: Processes) -> Run:
    """Images, networks and learner of a run. Raises ImagesError and ConfigError."""
    check_normalisation(config)
    parts = config.train.accumulate * processes.world_size
    if (config.generator_batch or 0) % parts:
        raise ConfigError(
            f"generator_batch {config.generator_batch} is not divisible by {parts}, the parts in which "
            f"{counted(processes.world_size, 'process')} times train.accumulate make it"
        )
    data = open_set(config, processes.device)
    torch.manual_seed(config.seed)
    generator, discriminator = build_gan(config.network, image_size=config.data.side)
    learner = GanLearner(generator, discriminator, config, processes)
    samples, fixed = folder.samples, sample_noise(config.seed, SAMPLES, config.network.noise_size)
    sizes = [sum(p.numel() for p in network.parameters()) for network in (generator, discriminator)]
    return Run(
        config,
        folder,
        processes,
        data,
        learner,
        trains=f"{config.network.name}, {sizes[0]:,} parameters of the generator and {sizes[1]:,} of the "
        "discriminator",
        validation=learner.energy.of_layers if processes.is_main else None,
        validate_every=config.train.checkpoint_every,
        notes=[
            f"{SAMPLES} samples are written to {samples} with each checkpoint",
            *_too_few(len(data)),
            *_unbounded(config),
        ],
        watch=Collapse(config.loss.kind),
        at_checkpoint=lambda step: write_grid(samples / f"step_{step:08d}.png", learner.sampled(fixed)),
    )


def check_normalisation(config: GanConfig) -> None:
    """Raises ConfigError for a loss that has no meaning with the discriminator's normalisation."""
    name = config.network.discriminator_normalisation
    normalisation = NORMALISATIONS[name]
    if config.loss.gradient_penalty is not None and not normalisation.image_by_image:
        raise ConfigError(
            f"loss.gradient_penalty is on each image's own gradient, and {name} normalisation makes them "
            "depend on each other; set network.discriminator_normalisation to another"
        )
    if config.loss.weight_clipping is not None and normalisation.of_weights is not None:
        raise ConfigError(
            f"loss.weight_clipping bounds no slope where network.discriminator_normalisation {name} scales "
            "the weights after it, and would turn their directions; drop one of them"
        )


def open_set(config: GanConfig, device: torch.device) -> SmallImages | UnlabelledImages:
    """The real images, on the device. Raises ImagesError and CropsError."""
    data, augmentation = config.data, Augmentation(pad=0, flip=config.data.flip)
    if data.name in ("cifar10", "cifar100"):
        images = open_images(data.name, data.path, "train").to(device)
        return SmallImages(images, augmentation, seed=config.seed, path=data.path)
    read = squares_of_faces if data.name == "faces" else squares_of_folder
    squares = read(Path(data.path), data.side)
    return UnlabelledImages(squares, augmentation, device, seed=config.seed, path=data.path)


def _too_few(images: int) -> list[str]:
    if images >= FEW:
        return []
    return [
        f"{counted(images, 'image')} are few: the discriminator will know them by heart, and the generator "
        "repeat them; data.flip=true doubles them"
    ]


def _unbounded(config: GanConfig) -> list[str]:
    """A score that may be as large as it likes has no least Wasserstein loss (arXiv:1701.07875)."""
    loss, name = config.loss, config.network.discriminator_normalisation
    bounds = loss.gradient_penalty, loss.weight_clipping, loss.orthonormal, NORMALISATIONS[name].of_weights
    if loss.kind != "wasserstein" or any(bound is not None for bound in bounds):
        return []
    return [
        f"loss.kind wasserstein with {name} normalisation and no penalty or clipping has no least value, as "
        "nothing bounds the discriminator's slope; set loss.gradient_penalty={}, loss.weight_clipping=0.01 "
        "or network.discriminator_normalisation=spectral"
    ]
