"""The parts of a training of generator and discriminator: images, two networks, learner, samples."""

from __future__ import annotations

import torch

from sphereface_plus.config import ConfigError, GanConfig
from sphereface_plus.data.image_sets import open_images
from sphereface_plus.data.images import Augmentation
from sphereface_plus.data.noise import sample_noise
from sphereface_plus.networks import build_gan
from sphereface_plus.processes import Processes
from sphereface_plus.training.folder import RunFolder
from sphereface_plus.training.gan_learner import GanLearner
from sphereface_plus.training.run_parts import Run
from sphereface_plus.training.samples import write_grid
from sphereface_plus.training.sets import SmallImages

SAMPLES = 64


def build(config: GanConfig, folder: RunFolder, processes: Processes) -> Run:
    """Images, networks and learner of a run. Raises ImagesError and ConfigError."""
    if config.train.precision == "fp16":  # which `auto` takes on some GPUs
        raise ConfigError(
            "train.precision: fp16, which is fast on this GPU, needs scaled losses, which this task lacks; "
            "--set train.precision=fp32"
        )
    images = open_images(config.data.name, config.data.path, "train").to(processes.device)
    augmentation = Augmentation(pad=0, flip=config.data.flip)
    data = SmallImages(images, augmentation, seed=config.seed, path=config.data.path)
    torch.manual_seed(config.seed)
    generator, discriminator = build_gan(config.network, image_size=images.images.shape[1])
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
        notes=[f"{SAMPLES} samples are written to {samples} with each checkpoint"],
        at_checkpoint=lambda step: write_grid(samples / f"step_{step:08d}.png", learner.sampled(fixed)),
    )
