"""The parts of an image-classification run, from its config."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from sphereface_plus.config import ImageConfig, ImageDataConfig
from sphereface_plus.data import imagenet
from sphereface_plus.data.batches import in_order, loader
from sphereface_plus.data.image_sets import open_images
from sphereface_plus.data.images import Augmentation, batches_in_order, normalise
from sphereface_plus.data.selection import choose_per_class, imbalanced_counts, validation_split
from sphereface_plus.losses import SmoothedSoftmaxLoss
from sphereface_plus.networks import build_image_network
from sphereface_plus.processes import Processes
from sphereface_plus.training.classifier import build_learner
from sphereface_plus.training.energies import LayerEnergies
from sphereface_plus.training.folder import RunFolder
from sphereface_plus.training.network import parameters_in_words
from sphereface_plus.training.photographs import Photographs
from sphereface_plus.training.run_parts import Run
from sphereface_plus.training.sets import SmallImages

TEST_BATCH = 500


def build(config: ImageConfig, folder: RunFolder, processes: Processes) -> Run:
    """Data, network, loss, learner and tests of a run. Raises ImagesError and EnergyError."""
    data, held_out, prepare = open_sets(config, processes)
    torch.manual_seed(config.seed)
    network = build_image_network(config.network, in_channels=config.data.channels)
    loss = SmoothedSoftmaxLoss(
        len(data.classes),
        network.embedding_size,
        label_smoothing=config.loss.label_smoothing,
        probability_floor=config.loss.probability_floor,
    )
    energies = LayerEnergies(network, loss, config.mhe, seed=config.seed)
    learner = build_learner(network, loss, energies, prepare, config, processes)
    test = partial(accuracies, held_out, loss, prepare, processes.device, learner.embed)
    return Run(
        config,
        folder,
        processes,
        data,
        learner,
        trains=f"{config.network.name}, {parameters_in_words(network, loss, 'softmax')}",
        validation=test if processes.is_main else None,
        validate_every=config.test_every,
    )


Sets = dict[str, Callable[[], Iterable[tuple[Tensor, Tensor]]]]
"""What is tested: name -> batches in order (uint8 (B, H, W, C), labels (B,))."""


def open_sets(
    config: ImageConfig, processes: Processes
) -> tuple[SmallImages | Photographs, Sets, Callable[[Tensor], Tensor]]:
    """The training set; what is tested, "test" and perhaps "validation"; and how images are normalised."""
    data = config.data
    if data.name == "imagenet":
        imagenet.check_splits(data.path)
        photographs = imagenet.ImageNet(Path(data.path) / "val", training=False)
        training = Photographs(config, pin_memory=processes.device.type == "cuda")
        prepare = partial(normalise, mean=imagenet.MEAN, std=imagenet.STD)
        lists = in_order(len(photographs), TEST_BATCH)
        return training, {"test": partial(loader, photographs, lists, workers=data.workers)}, prepare
    images = open_images(data.name, data.path, "train")
    kept, held_out = select(data, images.labels.numpy(), images.num_classes)
    test = open_images(data.name, data.path, "test").to(processes.device)
    sets: Sets = {"test": partial(batches_in_order, test, TEST_BATCH)}
    if len(held_out):
        validation = images.subset(held_out).to(processes.device)
        sets["validation"] = partial(batches_in_order, validation, TEST_BATCH)
    kept_images = images.subset(kept).to(processes.device)
    augmentation = Augmentation(data.pad, data.border, data.flip)
    training = SmallImages(kept_images, augmentation, seed=config.seed, path=data.path)
    return training, sets, normalise


def select(data: ImageDataConfig, labels: np.ndarray, num_classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Indices of the images to train on and of those held out for validation.

    The validation images are taken first, so that they are as many in each class, rare ones included. Where
    they leave fewer than an imbalance keeps, as of a class that it keeps whole, those are all.
    """
    kept, held_out = np.arange(len(labels)), np.empty(0, dtype=np.int64)
    if data.validation_per_class:
        kept, held_out = validation_split(labels, num_classes, data.validation_per_class, data.split_seed)
    if data.imbalance != "none":
        available = np.bincount(labels[kept], minlength=num_classes)
        whole = np.bincount(labels, minlength=num_classes)
        wanted = np.array(imbalanced_counts(data.name, data.imbalance, whole.tolist()))
        # What the set itself lacks is refused, what the validation took is not.
        counts = np.where(wanted <= whole, np.minimum(wanted, available), wanted).tolist()
        kept = kept[choose_per_class(labels[kept], counts, data.split_seed)]
    return kept, held_out


def accuracies(
    sets: Sets,
    loss: nn.Module,
    prepare: Callable[[Tensor], Tensor],
    device: torch.device,
    network: Callable[[Tensor], Tensor],
) -> dict[str, float]:
    """Share of right answers in each set, as `test/accuracy`, and in the test set's classes one by one, as
    `test/accuracy_of_0`, of a network: normalised images -> features (B, D)."""
    scalars = {}
    for name, batches in sets.items():
        right = {}
        for images, labels in batches():
            features = network(prepare(images.to(device)))
            hits = loss(features, labels.to(device), 0).without_margin().right
            for label, hit in zip(labels.tolist(), hits.tolist(), strict=True):
                right.setdefault(label, []).append(hit)
        everything = [hit for hits in right.values() for hit in hits]
        scalars[f"{name}/accuracy"] = float(np.mean(everything))
        if name == "test" and len(right) <= 10:
            scalars |= {f"test/accuracy_of_{label}": float(np.mean(right[label])) for label in sorted(right)}
    return scalars
