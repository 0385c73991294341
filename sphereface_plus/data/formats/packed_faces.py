"""Packed training sets: whose the crops of a .rec or a tar are, and what they are called.

A .rec has numbers only; the names of the crops that were packed lie beside it as `<name>.rec.csv`, a row a
record, in their order: their manifest, or where there was none, the columns `path,identity`. Without this
file (record_names.py) an identity is its label in seven digits, and a crop is called `label/record`.

A tar that was packed holds samples as webdataset and Hugging Face's datasets read them, and such a table as
its last member, which both skip:

    Ann/Ann_0001.jpg  Ann/Ann_0001.cls  ...  __manifest__      .cls: the label as text

Any other tar is a folder, with its manifest.csv if it has one.
"""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from sphereface_plus.data.formats.image_records import PROPERTY, ImageRecords, read_property
from sphereface_plus.data.formats.manifest import MANIFEST, ManifestError, leads_outside, read_manifest
from sphereface_plus.data.formats.packs import PackedCrop
from sphereface_plus.data.formats.record_names import names_of_rec, untied
from sphereface_plus.data.formats.recordio import RecordError
from sphereface_plus.data.formats.tars import TarCrops, TarError
from sphereface_plus.words import counted

if TYPE_CHECKING:
    import pandas

SUFFIXES = (".rec", ".tar")
NAMES_HEADER = b"path,identity\n"
NAMES_OF_TAR = "__manifest__"


@dataclass(frozen=True)
class PackedSet:
    """N crops in the order of the pack, or of its manifest."""

    crops: list[PackedCrop]
    names: list[str]
    """Paths as in a manifest; those of a .rec without names have no suffix."""
    identities: list[str]
    """Of each crop."""
    manifest: pandas.DataFrame | None
    manifest_csv: bytes | None
    """The manifest as it was written."""
    size: tuple[int, int] | None
    """(H, W) by a .rec's `property` file; None where nothing says it."""
    skipped: tuple[str, ...] = ()
    """Images of a tar that lie deeper than identity/image, or beside, relative to the identities' folder."""


def sample_names(names: Iterable[str]) -> list[str]:
    """The members of a tar for crops of these paths: one sample each for readers whose keys end at the first
    dot of a file name, and that skip what begins with `__`. All but a few names stay as they are.
    """
    taken: set[str] = set()
    members = []
    for name in names:
        path = PurePosixPath(name)
        folders = ["%5F" + part[1:] if part.startswith("__") else part for part in path.parts[:-1]]
        stem = path.stem.replace("%", "%25").replace(".", "%2E")
        key = "/".join([*folders, "%5F" + stem[1:] if stem.startswith("__") else stem])
        while key in taken:  # a.jpg and a.png
            key += "%2E"
        taken.add(key)
        members.append(key + path.suffix)
    return members


def open_pack(path: str | Path) -> PackedSet:
    """The set in a .rec or .tar. Raises RecordError, TarError or ManifestError."""
    path = Path(path)
    return _open_rec(path) if path.suffix == ".rec" else _open_tar(path)


def _open_rec(path: Path) -> PackedSet:
    records = ImageRecords(path)
    labels = records.identity_labels().tolist()
    crops = [PackedCrop(records, number) for number in range(len(records))]
    stated = read_property(path.parent / PROPERTY) if (path.parent / PROPERTY).is_file() else None
    size = stated[1:] if stated else None
    if not names_of_rec(path).is_file():
        # Fewer are well, as after cleaning. With names beside it, a .rec may share its folder with others.
        if stated and len(set(labels)) > stated[0]:
            raise RecordError(
                f"{path}: has {counted(len(set(labels)), 'identity')}, and the property file beside it says "
                f"{stated[0]:,}, so it is another set's; correct or remove that"
            )
        identities = [f"{label:07d}" for label in labels]
        names = [f"{identity}/{records.key(number):08d}" for number, identity in enumerate(identities)]
        return PackedSet(crops, names, identities, None, None, size)
    content, digest = untied(names_of_rec(path).read_bytes())
    if digest not in (None, records.digest()):
        raise ManifestError(
            f"{names_of_rec(path)}: its last line says that it names other records than {path.name} holds, "
            "as after a packing that was stopped; pack again, or remove it, or only that line if the names "
            "are right"
        )
    names, identities, table = _read_names(names_of_rec(path), content)
    pairs = set(zip(labels, identities, strict=False))
    one_to_one = len(pairs) == len(set(labels)) == len(set(identities))
    if len(names) != len(crops) or not one_to_one:
        raise ManifestError(
            f"{names_of_rec(path)}: does not name the {counted(len(crops), 'image')} of {path.name}: it has "
            f"{counted(len(names), 'row')}, or other identities; give the right file, or remove it"
        )
    return PackedSet(crops, names, identities, table, None if table is None else content, size)


def _read_names(path: Path, content: bytes) -> tuple[list[str], list[str], pandas.DataFrame | None]:
    """Paths and identities of the crops, and the manifest if the file is a whole one."""
    if not content.startswith(NAMES_HEADER):
        table = read_manifest(path, content)
        return table["path"].tolist(), table["identity"].tolist(), table
    try:
        rows = list(csv.reader(io.StringIO(content.decode("utf-8"), newline=""), strict=True))[1:]
    except (UnicodeDecodeError, csv.Error) as error:
        raise ManifestError(f"{path}: is not a CSV file ({error})") from None
    for number, row in enumerate(rows, start=1):
        if len(row) != 2 or not all(row) or leads_outside(row[0]):
            raise ManifestError(
                f"{path}, row {number}: expected a relative path and an identity, got {row!s:.200}"
            )
    if len({name for name, _ in rows}) < len(rows):
        raise ManifestError(f"{path}: names a crop twice")
    return [name for name, _ in rows], [identity for _, identity in rows], None


def _open_tar(path: Path) -> PackedSet:
    tar = TarCrops(path)
    numbers = {tar.name(number): number for number in range(len(tar))}
    manifests = [name for name in tar.files if PurePosixPath(name).name in (MANIFEST, NAMES_OF_TAR)]
    if not manifests:
        root = _root(list(numbers))
        inside = {name: PurePosixPath(name).relative_to(root).parts for name in numbers}
        names = ["/".join(parts) for parts in inside.values() if len(parts) == 2]
        skipped = tuple("/".join(parts) for parts in inside.values() if len(parts) != 2)
        if not names:
            found = f"images lie as {skipped[0][:200]}" if skipped else "found neither"
            raise TarError(f"{path}: expected images as identity/image, or a {MANIFEST}; {found}")
        identities = [name.split("/")[0] for name in names]
        members, table, content = names, None, None
    else:
        skipped = ()
        manifest = min(manifests, key=lambda name: name.count("/"))
        root = PurePosixPath(manifest).parent.as_posix()
        content = tar.read_member(tar.files[manifest])
        names, identities, table = _read_names(path / manifest, content)
        content = content if table is not None else None
        members = sample_names(names) if PurePosixPath(manifest).name == NAMES_OF_TAR else names
    members = [(PurePosixPath(root) / name).as_posix() for name in members]
    missing = [name for name in members if name not in numbers]
    if missing:
        raise ManifestError(
            f"{path}: lacks {len(missing):,} of the {len(names):,} crops of its manifest, "
            f"first {missing[0][:200]}"
        )
    crops = [PackedCrop(tar, numbers[name]) for name in members]
    return PackedSet(crops, names, identities, table, content, None, skipped)


def _root(images: list[str]) -> str:
    """The folder of the identities: what all images lie in, or what that lies in if it holds images only."""
    folders = {PurePosixPath(name).parent.as_posix() for name in images}
    common = os.path.commonpath(folders) or "."
    return PurePosixPath(common).parent.as_posix() if folders == {common} else common
