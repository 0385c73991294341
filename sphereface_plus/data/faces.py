"""Sets of aligned crops: where they lie, and whose they are.

A set is a folder with a manifest, a manifest, an `identity/image` folder, a list file (lists.py), or a packed
set, `.rec` or `.tar` (packed_faces.py), or a folder of tars (tar_sets.py).
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from sphereface_plus.data.crops import (
    CropsError,
    SpecError,
    check_crops,
    check_input,
    crop_bytes,
    normalise,
    read_crop,
)
from sphereface_plus.data.face_folders import crops_of_folders
from sphereface_plus.data.folder_notes import AS_A_LIST, taken_for_one
from sphereface_plus.data.formats.keys import photo_key
from sphereface_plus.data.formats.kinds import refusal
from sphereface_plus.data.formats.lists import ListError
from sphereface_plus.data.formats.manifest import MANIFEST, mixed_warps
from sphereface_plus.data.formats.packed_faces import SUFFIXES as PACKED
from sphereface_plus.data.formats.packed_faces import PackedSet
from sphereface_plus.data.formats.packs import PackedCrop
from sphereface_plus.data.labels import check_labels, numbered
from sphereface_plus.data.listed_crops import CROPS_NEEDED, ListedCrops, listed_crops
from sphereface_plus.data.trained_on import image_length, marks
from sphereface_plus.words import counted

if TYPE_CHECKING:
    import pandas

__all__ = [
    "CropsError",
    "FaceCrops",
    "SpecError",
    "check_crops",
    "check_input",
    "check_labels",
    "normalise",
    "read_crop",
]

READ = 100_000
"""Crops whose content is looked at, at most; about."""


@dataclass(frozen=True)
class FaceCrops:
    """Crops with their identities, in an order that depends on names alone."""

    paths: Sequence[str | PackedCrop]
    """Files, ready to be opened, or places in a packed one; `read_crop` takes either."""
    keys: list[str]
    """Photo keys (data/formats/keys.py), parallel to `paths`."""
    labels: list[int]
    """0 .. len(identities) - 1, parallel to `paths`; every label occurs."""
    identities: list[str]
    """Names in the order of the labels: sorted, or a list file's numbers as they are."""
    template: str | None
    """Alignment template that the manifest names; None where nothing names one."""
    size: tuple[int, int]
    """(H, W) by the manifest, or of the first crop where there is no manifest."""
    left_out: dict[str, str] = field(default_factory=dict)
    """Identities that the set names or has a folder for, and that are not among these -> why."""
    notes: list[str] = field(default_factory=list)
    """What its user should know, in a sentence each."""

    @classmethod
    def open(
        cls,
        path: str | Path,
        *,
        root: str | Path | None = None,
        min_images: int = 1,
        exclude: Sequence[str] = (),
    ) -> FaceCrops:
        """The crops of a set in one of the forms above.

        root: what the paths of a list file are relative to, by default its own folder.
        min_images: identities with fewer crops are left out; the labels of the others stay without gaps.
        exclude: names of identities that are left out too; a name that the set does not hold changes nothing.
        Raises CropsError, ManifestError, and RecordError or TarError for a packed set.
        """
        path = Path(path)
        if path.is_dir() and (path / MANIFEST).is_file():
            path = path / MANIFEST
        if root is not None and (path.is_dir() or path.suffix in (".csv", *PACKED)):
            raise CropsError(
                f"{path}: root is for list files, the paths of this are relative to itself; drop root"
            )
        try:
            listed = listed_crops(path, Path(root) if root is not None else None)
        except FileNotFoundError:
            raise CropsError(
                f"{path}: there is no such folder, manifest, list or packed set of crops"
            ) from None
        except ListError as error:
            raise CropsError(str(error)) from None
        crops = _from_folder(path) if listed is None else _from_list(path, listed)
        return _without(exclude, min_images, crops, path)

    def fingerprint(self) -> str:
        """sha256 over template, size and, in their order, keys, labels and file lengths.

        Raises CropsError, naming the first of them, where crops are missing.
        """
        digest = hashlib.sha256(f"{self.template} {self.size}\n".encode())
        lengths = _lengths(self.paths, _place_length)
        for key, label, length in zip(self.keys, self.labels, lengths, strict=True):
            digest.update(f"{key}\t{label}\t{length}\n".encode())
        return digest.hexdigest()

    def content(self) -> str:
        """sha256 over the crops' bytes; of a set of more than READ, over about as many, evenly spread.

        On two cores beside other work, 10^5 crops of 5 kB took 6 s, and 1 s for their lengths alone.
        Raises CropsError.
        """
        digest = hashlib.sha256()
        for path in self.paths[:: -(-len(self.paths) // READ)]:
            digest.update(hashlib.sha256(crop_bytes(path)).digest())
        return digest.hexdigest()

    def marks(self) -> np.ndarray:
        """int64 (N,), by which the crops are known again (trained_on.py). Raises CropsError as above."""
        return marks(self.keys, _lengths(self.paths, image_length))


def _place_length(path: str | PackedCrop) -> int:
    return path.num_bytes if isinstance(path, PackedCrop) else Path(path).stat().st_size


def _lengths(paths: Sequence[str | PackedCrop], of: Callable[[str | PackedCrop], int]) -> list[int]:
    lengths, missing = [], []
    for path in paths:
        try:
            lengths.append(of(path))
        except OSError:
            missing.append(path)
    if missing:
        more = f" and {len(missing) - 3} more" if len(missing) > 3 else ""
        raise CropsError(
            f"{len(missing):,} of {counted(len(paths), 'crop')} cannot be found: "
            f"{', '.join(missing[:3])}{more}; "
            "put them back or align the photos again"
        )
    return lengths


def _from_list(path: Path, listed: ListedCrops) -> FaceCrops:
    keys = [photo_key(name) for name in listed.names]
    if listed.labels is not None:
        num_identities = len(set(listed.labels))
        check_labels(listed.labels, num_identities, origin=str(path))
        identities = [str(label) for label in range(num_identities)]
        size = _first_size(listed.crops)
        return FaceCrops(listed.crops, keys, listed.labels, identities, None, size)
    if listed.pack is not None:
        return _from_pack(path, listed, listed.pack, keys)
    assert listed.manifest is not None
    template, size = _one_kind(listed.manifest, path)
    labels, identities = numbered(listed.identities)
    return FaceCrops(listed.crops, keys, labels, identities, template, size, notes=_warps(listed.manifest))


def _one_kind(table: pandas.DataFrame, path: Path) -> tuple[str, tuple[int, int]]:
    """The one template and (H, W) of a manifest's crops."""
    if table.empty:
        raise CropsError(f"{path}: the manifest holds no crop; report.json beside it says what was not found")
    kinds = sorted(set(zip(table["template"], table["height"], table["width"], strict=True)))
    if len(kinds) > 1:
        mixed = ", ".join(f"{template} {height}x{width}" for template, height, width in kinds)
        raise CropsError(
            f"{path}: the crops of a set need one template and size, this manifest mixes {mixed}"
        )
    template, height, width = kinds[0]
    return template, (int(height), int(width))


def _warps(table: pandas.DataFrame) -> list[str]:
    return mixed_warps(Counter(table["warp"].tolist())) if "warp" in table else []


def _from_pack(path: Path, listed: ListedCrops, pack: PackedSet, keys: list[str]) -> FaceCrops:
    labels, identities = numbered(listed.identities)
    size = _first_size(listed.crops)
    template, stated, notes = None, pack.size, []
    if pack.manifest is not None:
        template, stated = _one_kind(pack.manifest, path)
        notes = _warps(pack.manifest)
    if stated not in (None, size):
        raise SpecError(
            f"{path}: its first crop is {size[0]}x{size[1]}, and its property file or manifest says "
            f"{stated[0]}x{stated[1]}; correct or remove that"
        )
    if pack.skipped:
        images = counted(len(pack.skipped), "image")
        notes = [f"{images} not in identity/image folders left out, first {pack.skipped[0][:200]}"]
    if path.suffix == ".tar" and pack.manifest is None:
        notes = [*notes, *taken_for_one(Counter(pack.identities), "image", AS_A_LIST)]
    folders = {name.split("/")[0]: name for name in reversed(pack.skipped) if "/" in name}
    left_out = {
        name: f"its images lie deeper ({first[:200]})"
        for name, first in folders.items()
        if name not in identities
    }
    return FaceCrops(pack.crops, keys, labels, identities, template, size, left_out, notes)


def _from_folder(path: Path) -> FaceCrops:
    try:
        found = crops_of_folders(path)
    except CropsError as error:
        words = refusal(path, CROPS_NEEDED, takes=["crops"])
        raise CropsError(words or str(error)) from None
    paths = [str(path / identity / image) for identity, image in found.images]
    keys = [photo_key(f"{identity}/{image}") for identity, image in found.images]
    labels, identities = numbered([identity for identity, _ in found.images])
    return FaceCrops(paths, keys, labels, identities, None, _first_size(paths), found.lost, found.notes)


def _first_size(paths: Sequence[str | PackedCrop]) -> tuple[int, int]:
    """(H, W) of the first crop that can be read. Raises CropsError, the first crop's, where none can."""
    problem = None
    for path in paths:
        try:
            return read_crop(path).shape[:2]
        except CropsError as error:
            problem = problem or error
    assert problem is not None  # no set is empty
    raise problem


def _without(exclude: Sequence[str], min_images: int, crops: FaceCrops, path: Path) -> FaceCrops:
    """Without the excluded identities and those of fewer crops; the others are renumbered, in order."""
    counts = np.bincount(crops.labels)
    stays = (counts >= min_images) & ~np.isin(crops.identities, list(exclude))
    if not stays.any():
        raise CropsError(
            f"{path}: no identity with {counted(min_images, 'crop')} is left (the most is {counts.max()}); "
            "lower min_images or exclude fewer"
        )
    excluded = set(exclude)
    left_out = {
        name: "excluded"
        if name in excluded
        else f"{counted(count, 'crop')}, fewer than min_images {min_images}"
        for name, count, stay in zip(crops.identities, counts.tolist(), stays, strict=True)
        if not stay
    }
    new_label = np.cumsum(stays) - 1
    kept = [index for index, label in enumerate(crops.labels) if stays[label]]
    return replace(
        crops,
        paths=[crops.paths[index] for index in kept],
        keys=[crops.keys[index] for index in kept],
        labels=[int(new_label[crops.labels[index]]) for index in kept],
        identities=[name for name, stay in zip(crops.identities, stays, strict=True) if stay],
        left_out={**crops.left_out, **left_out},
    )
