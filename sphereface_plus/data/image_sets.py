"""Sets of small images by name, read whole."""

from __future__ import annotations

from pathlib import Path

from sphereface_plus.data.cifar import open_cifar
from sphereface_plus.data.image_folders import SPLITS
from sphereface_plus.data.images import DeviceImages, ImagesError
from sphereface_plus.data.mnist import open_mnist

NAMES = ("cifar10", "cifar100", "mnist")


def open_images(name: str, path: str | Path, split: str) -> DeviceImages:
    """The split train or test of cifar10, cifar100 or mnist, on the CPU; `.to(device)` takes it to a GPU.

    path: what the set's own module says (cifar.py, mnist.py).
    Raises ImagesError for another name or split, and where the set is missing, damaged or another one.
    """
    if name not in NAMES:
        raise ImagesError(f"{name}: is not a set of small images; expected one of {', '.join(NAMES)}")
    if split not in SPLITS:
        raise ImagesError(f"{split}: is not a split of {name}; expected one of {', '.join(SPLITS)}")
    images = open_mnist(path, split) if name == "mnist" else open_cifar(name, path, split)
    counts = images.labels.bincount(minlength=images.num_classes)
    if not counts.all():
        raise ImagesError(f"{path}: class {int(counts.argmin())} has no image in {split}")
    return images
