"""Aligned crops: where they lie, whose they are, and how they become a network's input.

A crop in memory is always uint8 RGB, (H, W, 3), whatever its file holds; only `normalise` turns crops into what a
network sees (channel order, mean, scale), on the device, so that the processes that read crops pass on bytes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from sphereface_plus.config import InputSpec
from sphereface_plus.data.keys import IMAGE_SUFFIXES, photo_key


class CropsError(ValueError):
    """A set of crops that cannot be used; the message names the file or folder and what to do."""


class SpecError(ValueError):
    """Crops that are not what a network expects; the message says what was expected and what came."""


@dataclass(frozen=True)
class FaceCrops:
    """Crops with their identities, in an order that depends on the names alone."""

    paths: list[str]
    """Files, ready to be opened."""
    keys: list[str]
    """Photo keys, parallel to `paths`."""
    labels: list[int]
    """0 .. len(identities) - 1, parallel to `paths`; every label occurs."""
    identities: list[str]
    """Names in the order of the labels: sorted, or the numbers of a list file in numeric order."""
    template: str | None
    """Alignment template that the manifest names; None where nothing names one."""
    size: tuple[int, int]
    """(H, W) of the manifest, or of the first crop where there is no manifest."""

    @classmethod
    def open(cls, path: str | Path, *, root: str | Path | None = None, min_images: int = 1) -> FaceCrops:
        """Crops of a folder with a manifest, a manifest, an `identity/image` folder, or a list file of `path label`.

        root: what the paths of a list file are relative to, by default its own folder.
        min_images: identities with fewer crops are left out; the labels of the others stay contiguous.
        Raises CropsError.
        """
        from sphereface_plus.data.manifest import MANIFEST

        path = Path(path)
        if path.is_dir() and (path / MANIFEST).is_file():
            path = path / MANIFEST
        if root is not None and (path.is_dir() or path.suffix == ".csv"):
            raise CropsError(
                f"{path}: root is for list files; the paths of a manifest or folder are relative to it"
            )
        if path.is_dir():
            found = _from_folder(path)
        elif not path.is_file():
            raise CropsError(f"{path}: there is no such file or folder of crops")
        elif path.suffix == ".csv":
            found = _from_manifest(path)
        else:
            found = _from_list(path, Path(root) if root is not None else path.parent)
        return _number(found, path, min_images)


@dataclass(frozen=True)
class _Found:
    paths: list[str]
    keys: list[str]
    names: list[str] | list[int]  # identity of each crop
    template: str | None = None
    size: tuple[int, int] | None = None


def _from_manifest(path: Path) -> _Found:
    from sphereface_plus.data.manifest import read_manifest

    table = read_manifest(path)
    if table.empty:
        raise CropsError(
            f"{path}: the manifest holds no crop; see report.json beside it for what was not found"
        )
    kinds = sorted(set(zip(table["template"], table["height"], table["width"], strict=True)))
    if len(kinds) > 1:
        mixed = ", ".join(f"{template} {height}x{width}" for template, height, width in kinds)
        raise CropsError(
            f"{path}: crops of one set must have one template and size, this manifest mixes {mixed}"
        )
    template, height, width = kinds[0]
    relative = table["path"].astype(str).tolist()
    return _Found(
        paths=[str(path.parent / name) for name in relative],
        keys=[photo_key(name) for name in relative],
        names=table["identity"].astype(str).tolist(),
        template=str(template),
        size=(int(height), int(width)),
    )


def _from_folder(path: Path) -> _Found:
    found = _Found([], [], names := [])
    for identity in sorted(
        entry for entry in path.iterdir() if entry.is_dir() and not entry.name.startswith(".")
    ):
        for image in sorted(identity.iterdir()):
            if image.suffix.lower() in IMAGE_SUFFIXES and not image.name.startswith("."):
                found.paths.append(str(image))
                found.keys.append(photo_key(image.relative_to(path)))
                names.append(identity.name)
    if not found.paths:
        raise CropsError(
            f"{path}: expected identity/image folders, or a manifest.csv, and found no such image"
        )
    return found


def _from_list(path: Path, root: Path) -> _Found:
    found = _Found([], [], labels := [])
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise CropsError(f"{path}: cannot be read as a list of crops ({error})") from None
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        name, _, label = line.strip().replace("\t", " ").rpartition(" ")  # a path may hold spaces
        if not name or not label.isdecimal():
            raise CropsError(
                f"{path}:{number}: expected `path label` with a label 0, 1, ..., got {line.strip()!r}"
            )
        found.paths.append(str(root / name.rstrip()))
        found.keys.append(photo_key(name.rstrip()))
        labels.append(int(label))
    if not labels:
        raise CropsError(f"{path}: the list holds no crop")
    check_labels(labels, len(set(labels)), origin=str(path))
    return found


def _number(found: _Found, path: Path, min_images: int) -> FaceCrops:
    counts = Counter(found.names)
    identities = sorted(name for name, count in counts.items() if count >= min_images)
    if not identities:
        raise CropsError(
            f"{path}: no identity has {min_images} crops, the most is {max(counts.values())}; lower min_images"
        )
    label_of = {name: label for label, name in enumerate(identities)}
    kept = [index for index, name in enumerate(found.names) if name in label_of]
    paths = [found.paths[index] for index in kept]
    return FaceCrops(
        paths=paths,
        keys=[found.keys[index] for index in kept],
        labels=[label_of[found.names[index]] for index in kept],
        identities=[str(name) for name in identities],
        template=found.template,
        size=found.size or read_crop(paths[0]).shape[:2],
    )


def check_labels(labels: Sequence[int], num_identities: int, *, origin: str = "labels") -> None:
    """Raises CropsError unless the labels are exactly 0 .. num_identities - 1, each at least once."""
    missing = sorted(set(range(num_identities)) - set(labels))
    outside = sorted(set(labels) - set(range(num_identities)))
    if outside or missing:
        raise CropsError(
            f"{origin}: {num_identities} identities need the labels 0..{num_identities - 1}"
            + (f"; {_some(outside)} outside" if outside else "")
            + (f"; {_some(missing)} missing" if missing else "")
            + "; number the identities without gaps"
        )


def _some(labels: list[int]) -> str:
    return ", ".join(map(str, labels[:5])) + (
        f" and {len(labels) - 5} more are" if len(labels) > 5 else " is"
    )


def check_crops(template: str | None, size: tuple[int, int], expected: InputSpec) -> None:
    """Raises SpecError where crops of a template (None: unknown) and (H, W) are not what a network expects."""
    if tuple(size) != (expected.height, expected.width) or template not in (None, expected.template):
        raise SpecError(
            f"the network expects crops {expected.template} of {expected.height}x{expected.width} (height x width), "
            f"got {template or 'crops'} of {size[0]}x{size[1]}; align the photos with --template {expected.template}"
        )


def check_input(given: InputSpec, expected: InputSpec, *, origin: str) -> None:
    """Raises SpecError where one network's input spec is given for another's; names every field that differs.

    Channel order, mean and scale cannot be seen in a crop: comparing specs is what keeps RGB from passing for BGR.
    """
    wrong = [name for name in InputSpec.model_fields if getattr(given, name) != getattr(expected, name)]
    if wrong:
        says = "; ".join(
            f"{name}: expected {getattr(expected, name)}, got {getattr(given, name)}" for name in wrong
        )
        raise SpecError(
            f"{origin} was made for another input spec ({says}); give it the spec that it was made for"
        )


def read_crop(path: str | Path) -> np.ndarray:
    """The crop of a file as uint8 RGB, (H, W, 3). Raises CropsError for what is missing, no image or cut short."""
    try:
        data = np.fromfile(path, dtype=np.uint8)
    except OSError as error:
        raise CropsError(f"{path}: crop cannot be read ({error.strerror})") from None
    crop = cv2.imdecode(data, cv2.IMREAD_COLOR) if data.size else None
    if crop is None:
        raise CropsError(
            f"{path}: crop is empty, cut short or no image; make it anew or take it off the list"
        )
    return cv2.cvtColor(crop, cv2.COLOR_BGR2RGB)


class CropDataset(Dataset):
    """Crops for training. An item is asked for by (index, position): which crop, and where in the stream of crops.

    The augmentation of an item is a pure function of (seed, position), whichever process reads it and whenever.
    """

    def __init__(self, crops: FaceCrops, *, seed: int = 0, flip: bool = False, shift: int = 0) -> None:
        check_labels(crops.labels, len(crops.identities))
        self.crops, self.seed, self.flip, self.shift = crops, seed, flip, shift

    def __len__(self) -> int:
        return len(self.crops.paths)

    def __getitem__(self, item: tuple[int, int]) -> tuple[np.ndarray, int]:
        """The augmented crop, uint8 RGB (H, W, 3), and its label."""
        index, position = item
        path = self.crops.paths[index]
        crop = read_crop(path)
        if crop.shape[:2] != self.crops.size:
            raise SpecError(f"{path}: crop is {_shape(crop)}, the set's others are {_shape(self.crops.size)}")
        return self._augment(crop, position), self.crops.labels[index]

    def __getitems__(self, items: list[tuple[int, int]]) -> tuple[Tensor, Tensor]:
        """A batch in one go: crops uint8 RGB (B, H, W, 3) and labels int64 (B,)."""
        crops, labels = zip(*(self[item] for item in items), strict=True)
        return torch.from_numpy(np.stack(crops)), torch.tensor(labels)

    def _augment(self, crop: np.ndarray, position: int) -> np.ndarray:
        if not (self.flip or self.shift):
            return crop
        random = np.random.default_rng(
            (self.seed, 1, position)
        )  # 1: apart from the epochs' orders (batches.py)
        mirror = self.flip and random.random() < 0.5
        if self.shift:
            s, (height, width) = self.shift, crop.shape[:2]
            top, left = random.integers(0, 2 * s + 1, size=2)
            crop = cv2.copyMakeBorder(crop, s, s, s, s, cv2.BORDER_REPLICATE)[
                top : top + height, left : left + width
            ]
        return crop[:, ::-1] if mirror else crop


def _shape(crop: Any) -> str:
    height, width = getattr(crop, "shape", crop)[:2]
    return f"{height}x{width}"


def normalise(crops: Tensor, spec: InputSpec) -> Tensor:
    """What the network sees: uint8 RGB crops (B, H, W, 3) -> float32 (B, 3, H, W), (v - mean) / std per channel.

    Runs on the crops' device. The memory stays that of (B, H, W, 3), which torch calls channels_last.
    Raises SpecError for crops of another size.
    """
    if crops.ndim != 4 or crops.shape[3] != 3 or crops.dtype != torch.uint8:
        raise SpecError(
            f"crops must be uint8 RGB of shape (B, H, W, 3), got {crops.dtype} {tuple(crops.shape)}"
        )
    check_crops(None, (crops.shape[1], crops.shape[2]), spec)
    if spec.color == "bgr":
        crops = crops.flip(3)
    mean, std = (torch.tensor(values, device=crops.device) for values in (spec.mean, spec.std))
    return crops.float().sub_(mean).div_(std).permute(0, 3, 1, 2)
