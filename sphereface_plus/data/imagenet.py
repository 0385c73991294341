"""ImageNet, or any other set of photographs in class folders, decoded and cropped by worker processes.

    ROOT/train/n01440764/n01440764_10026.JPEG ...     ROOT/val/n01440764/ILSVRC2012_val_00000293.JPEG ...

The paper follows the augmentation of SphereNet, which no code of theirs shows; these are the usual crops.
"""

from __future__ import annotations

import io
import warnings
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset
from torchvision import transforms
from torchvision.datasets import ImageFolder

from sphereface_plus.data import streams
from sphereface_plus.data.formats.any_image import MAX_PHOTO, check_size, image_bytes
from sphereface_plus.data.formats.decoding import MemoryShortError
from sphereface_plus.data.images import ImagesError

MEAN = (123.675, 116.28, 103.53)
"""Mean of ImageNet's RGB values 0..255, for `images.normalise`."""
STD = (58.395, 57.12, 57.375)
"""Their standard deviation."""


def check_splits(path: str | Path) -> None:
    """Raises ImagesError unless path/train and path/val have the same classes and photographs of each."""
    splits = [Path(path) / split for split in ("train", "val")]
    if not all(split.is_dir() for split in splits):
        raise ImagesError(f"{path}: holds no imagenet; expected train/<class>/ and val/<class>/")
    training, photographs = (ImageNet(split, training=False) for split in splits)
    if training.classes != photographs.classes:
        raise ImagesError(f"{path}: train and val do not have the same class folders")


class ImageNet(Dataset):
    """Photographs asked for by (index, position), as batches.py asks: which, and where in the stream it is.

    training: a random part of the photograph (8 to 100 % of its area, 3:4 to 4:3) scaled to size x size,
    mirrored with probability one half, as a pure function of (seed, position). Otherwise the shorter side is
    scaled to size * 256 / 224 and the middle cut out.
    Raises ImagesError where the folder or a class folder holds no photograph.
    """

    def __init__(self, path: str | Path, *, training: bool, seed: int = 0, size: int = 224) -> None:
        try:
            folder = ImageFolder(path)
        except FileNotFoundError as error:
            raise ImagesError(f"{path}: expected photographs in class folders ({error})") from None
        self.paths = [name for name, _ in folder.samples]
        self.labels = [label for _, label in folder.samples]
        self.classes, self.num_classes = folder.classes, len(folder.classes)
        self.training, self.seed = training, seed
        self.crop = (
            transforms.Compose([transforms.RandomResizedCrop(size), transforms.RandomHorizontalFlip()])
            if training
            else transforms.Compose([transforms.Resize(size * 256 // 224), transforms.CenterCrop(size)])
        )

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, item: tuple[int, int]) -> tuple[np.ndarray, int]:
        """The crop, uint8 RGB (size, size, 3), and its label. Raises ImagesError."""
        index, position = item
        try:
            with warnings.catch_warnings(), Image.open(io.BytesIO(image_bytes(self.paths[index]))) as file:
                warnings.simplefilter("ignore")  # of odd metadata, and of Pillow's own, lower size limit
                check_size(file.height, file.width, MAX_PHOTO)
                photo = file.convert("RGB")
        except MemoryError:
            raise MemoryShortError(f"{self.paths[index]}: memory is short for this photograph") from None
        except Exception as error:  # a decoder answers damaged bytes with any exception there is
            raise ImagesError(f"{self.paths[index]}: cannot be read as an image ({error})") from None
        # torchvision draws from torch's random state: seeded for this photograph, then put back.
        with torch.random.fork_rng(devices=()):
            key = streams.key(self.seed, streams.PHOTOGRAPH_AUGMENTATION, position)
            torch.manual_seed(int(key.generate_state(1, np.uint64)[0]))
            return np.asarray(self.crop(photo)), self.labels[index]

    def __getitems__(self, items: list[tuple[int, int]]) -> tuple[Tensor, Tensor]:
        """A batch at once: crops uint8 RGB (B, size, size, 3) and labels int64 (B,)."""
        crops, labels = zip(*map(self.__getitem__, items), strict=True)
        return torch.from_numpy(np.stack(crops)), torch.tensor(labels)
