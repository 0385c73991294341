"""The data set that training reads: a crop, augmented, by its place in the stream of crops."""

from __future__ import annotations

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from sphereface_plus.data import streams
from sphereface_plus.data.crops import SpecError, read_crop
from sphereface_plus.data.faces import FaceCrops
from sphereface_plus.data.labels import check_labels


class CropDataset(Dataset):
    """Crops for training, asked for by (index, position): which crop, and where in the stream of crops it
    stands.

    The augmentation is a pure function of (seed, position), whichever process reads the crop and whenever.
    flip: mirror with probability one half. shift: largest translation in pixels, borders repeated.
    Raises CropsError where the labels are not those of the identities.
    """

    def __init__(self, crops: FaceCrops, *, seed: int = 0, flip: bool = False, shift: int = 0) -> None:
        check_labels(crops.labels, len(crops.identities))
        self.crops, self.seed, self.flip, self.shift = crops, seed, flip, shift

    def __len__(self) -> int:
        return len(self.crops.paths)

    def __getitem__(self, item: tuple[int, int]) -> tuple[np.ndarray, int]:
        """The augmented crop, uint8 RGB (H, W, 3), and its label. Raises CropsError or SpecError."""
        index, position = item
        path, (height, width) = self.crops.paths[index], self.crops.size
        crop = read_crop(path)
        if crop.shape[:2] != (height, width):
            raise SpecError(
                f"{path}: is {crop.shape[0]}x{crop.shape[1]}, the set's crops are {height}x{width}"
            )
        return self._augment(crop, position), self.crops.labels[index]

    def __getitems__(self, items: list[tuple[int, int]]) -> tuple[Tensor, Tensor]:
        """A batch at once: crops uint8 RGB (B, H, W, 3) and labels int64 (B,)."""
        crops, labels = zip(*map(self.__getitem__, items), strict=True)
        return torch.from_numpy(np.stack(crops)), torch.tensor(labels)

    def _augment(self, crop: np.ndarray, position: int) -> np.ndarray:
        if not (self.flip or self.shift):
            return crop
        random = streams.generator(self.seed, streams.CROP_AUGMENTATION, position)
        mirror = self.flip and random.random() < 0.5
        if self.shift:
            (height, width), s = crop.shape[:2], self.shift
            top, left = random.integers(0, 2 * s, size=2, endpoint=True)
            crop = cv2.copyMakeBorder(crop, s, s, s, s, cv2.BORDER_REPLICATE)[
                top : top + height, left : left + width
            ]
        return crop[:, ::-1] if mirror else crop
