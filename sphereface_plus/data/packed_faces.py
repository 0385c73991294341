"""Packed training sets: whose the crops of a .rec or a tar are, and what they are called.

A tar holds what a folder holds, its manifest.csv included. A .rec has numbers only; the manifest of the crops
that were packed lies beside it as `<name>.rec.csv`, a row a record, in their order. Where there is none, an
identity is its label in seven digits, and a crop's key is `label/record`: what `python -m data_prep unpack`
makes folders and files of.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sphereface_plus.data.image_records import PROPERTY, ImageRecords, read_property
from sphereface_plus.data.keys import photo_key
from sphereface_plus.data.manifest import MANIFEST, ManifestError, read_manifest
from sphereface_plus.data.packs import PackedCrop
from sphereface_plus.data.tars import TarCrops

if TYPE_CHECKING:
    import pandas

SUFFIXES = (".rec", ".tar")


@dataclass(frozen=True)
class PackedSet:
    """N crops in the order of the pack, or of its manifest."""

    crops: list[PackedCrop]
    keys: list[str]
    """Photo keys (keys.py)."""
    identities: list[str]
    """Of each crop."""
    manifest: pandas.DataFrame | None
    size: tuple[int, int] | None
    """(H, W) by a .rec's `property` file; None where nothing says it."""


def manifest_of_rec(path: Path) -> Path:
    """Where the manifest of a .rec lies, if there is one."""
    return path.with_name(f"{path.name}.csv")


def open_pack(path: str | Path) -> PackedSet:
    """The set in a .rec or .tar. Raises RecordError, TarError or ManifestError."""
    path = Path(path)
    return _open_rec(path) if path.suffix == ".rec" else _open_tar(path)


def _open_rec(path: Path) -> PackedSet:
    records = ImageRecords(path)
    labels = records.identity_labels()
    crops = [PackedCrop(records, number) for number in range(len(records))]
    size = None
    if (path.parent / PROPERTY).is_file():
        size = read_property(path.parent / PROPERTY)[1:]
    if not manifest_of_rec(path).is_file():
        identities = [f"{label:07d}" for label in labels]
        keys = [f"{identity}/{records.key(number):08d}" for number, identity in enumerate(identities)]
        return PackedSet(crops, keys, identities, None, size)
    table = read_manifest(manifest_of_rec(path))
    identities = table["identity"].tolist()
    pairs = set(zip(labels.tolist(), identities, strict=False))
    if len(table) != len(crops) or not len(pairs) == len({p[0] for p in pairs}) == len({p[1] for p in pairs}):
        raise ManifestError(
            f"{manifest_of_rec(path)}: is not the manifest of {path.name}, whose {len(crops):,} images have "
            f"other identities than its {len(table):,} rows; give the right one, or remove it"
        )
    return PackedSet(crops, [photo_key(name) for name in table["path"]], identities, table, size)


def _open_tar(path: Path) -> PackedSet:
    tar = TarCrops(path)
    numbers = {tar.relative(number): number for number in range(len(tar))}
    manifest = tar.files.get(MANIFEST if tar.root == "." else f"{tar.root}/{MANIFEST}")
    if manifest is None:
        crops = [PackedCrop(tar, number) for number in numbers.values()]
        return PackedSet(
            crops, list(map(photo_key, numbers)), [name.split("/")[0] for name in numbers], None, None
        )
    table = read_manifest(path / manifest.name, tar.read_member(manifest))
    missing = [name for name in table["path"] if name not in numbers]
    if missing:
        raise ManifestError(
            f"{path}: lacks {len(missing):,} of the {len(table):,} crops of its manifest, first {missing[0]}"
        )
    names = table["path"].tolist()
    crops = [PackedCrop(tar, numbers[name]) for name in names]
    return PackedSet(crops, list(map(photo_key, names)), table["identity"].tolist(), table, None)
