"""CIFAR-10 and CIFAR-100: the official python archives, or images in folders or a tar.

The official files are pickles, which can run code when read: torchvision reads them, and only after their MD5
sums are the authors' ones.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torchvision.datasets import CIFAR10, CIFAR100

from sphereface_plus.data.image_folders import SPLITS, read_folders
from sphereface_plus.data.images import DeviceImages, ImagesError

OFFICIAL: dict[str, type[CIFAR10]] = {"cifar10": CIFAR10, "cifar100": CIFAR100}
NUM_CLASSES = {"cifar10": 10, "cifar100": 100}


def open_cifar(name: str, path: str | Path, split: str) -> DeviceImages:
    """cifar10 or cifar100 on the CPU: images uint8 RGB (N, 32, 32, 3), labels by the classes' sorted names.

    path: a folder that holds the official cifar-10-batches-py or cifar-100-python, a folder with
    train/<class>/ and test/<class>/, or a tar of such a folder. CIFAR-100 has its fine labels.
    split: train or test.
    Raises ImagesError where the set is missing, incomplete or another one.
    """
    path, official = Path(path), OFFICIAL[name]
    if path.name == official.base_folder:
        path = path.parent
    if (path / official.base_folder).is_dir():
        return _official(name, path, split)
    if not path.is_file() and not any((path / part).is_dir() for part in SPLITS):
        raise ImagesError(
            f"{path}: holds no {name}; expected {official.base_folder}, as {official.url} unpacks, "
            "or train/<class>/ and test/<class>/ with images, or a tar of these two"
        )
    if path.name == official.filename:
        raise ImagesError(f"{path}: unpack the official archive and give the folder that it lies in")
    images = read_folders(path, split)
    if images.num_classes != NUM_CLASSES[name]:
        raise ImagesError(
            f"{path}: holds {images.num_classes} classes, {name} has {NUM_CLASSES[name]}; "
            "it is another set, or incomplete"
        )
    if images.images.shape[1:] != (32, 32, 3):
        height, width = images.images.shape[1:3]
        raise ImagesError(f"{path}: its images are {height}x{width}, those of {name} are 32x32")
    return images


def _official(name: str, root: Path, split: str) -> DeviceImages:
    try:
        cifar = OFFICIAL[name](root, train=split == "train")  # checks the MD5 sums first
    except RuntimeError:
        raise ImagesError(
            f"{root / OFFICIAL[name].base_folder}: a file is missing or is not the official one "
            f"(its MD5 sum differs); unpack {OFFICIAL[name].url} again"
        ) from None
    return DeviceImages(torch.from_numpy(cifar.data), torch.tensor(cifar.targets), NUM_CLASSES[name])
