"""Crops as a manifest, a list or a packed file names them: the one place that tells these forms apart.

Two readers stand on it, and differ only where nothing lists the images:
    FaceCrops (faces.py)       training: whose each crop is has to be known, so that a folder is
                               identity/image, and what lies deeper or beside is left out and noted
    Images (eval/photos.py)    tests: pairs name photos by their keys, so that every image below a folder
                               counts, raw photos too, and a .bin, which has no identities, serves as well
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sphereface_plus.data.formats.kinds import kind_of, refusal
from sphereface_plus.data.formats.lists import ListError, read_list
from sphereface_plus.data.formats.manifest import MANIFEST, read_manifest
from sphereface_plus.data.formats.packed_faces import SUFFIXES as PACKED
from sphereface_plus.data.formats.packed_faces import PackedSet, open_pack
from sphereface_plus.data.formats.packs import PackedCrop
from sphereface_plus.data.formats.tar_sets import RECORD, is_tar_set, open_tar_set

if TYPE_CHECKING:
    import pandas

CROPS_NEEDED = "crops are needed: the folder of them, a manifest (.csv), a list or a packed set"


@dataclass(frozen=True)
class ListedCrops:
    """N crops in the order of their list."""

    place: Path
    """The folder of a manifest, a packed file, or a list."""
    crops: Sequence[str | PackedCrop]
    """Files, ready to be opened, or places in a packed one."""
    names: list[str]
    """Paths as they are listed."""
    identities: list[str]
    """Whose each crop is; a list's numbers as texts."""
    manifest: pandas.DataFrame | None = None
    """Also the one that lies in a packed file."""
    pack: PackedSet | None = None
    labels: list[int] | None = None
    """A list's numbers."""


def listed_crops(path: Path, root: Path | None = None) -> ListedCrops | None:
    """The crops that a manifest or a folder with one, a .rec, a .tar, a folder of tars or a list names; None
    for another folder.

    root: what the paths of a list are relative to, by default its own folder.
    Raises FileNotFoundError where nothing lies there, ManifestError, RecordError, TarError, ListError.
    """
    if is_tar_set(path):
        pack = open_tar_set(path)
        return ListedCrops(path / RECORD, pack.crops, pack.names, pack.identities, pack.manifest, pack)
    path = path / MANIFEST if (path / MANIFEST).is_file() else path
    if path.is_dir():
        return None
    if not path.is_file():
        raise FileNotFoundError(path)
    if path.suffix not in PACKED:
        is_list = path.suffix != ".csv" or kind_of(path) == "list"
        if (words := refusal(path, CROPS_NEEDED, takes=["list" if is_list else "manifest"])) is not None:
            raise ListError(words)
    if path.suffix == ".csv" and not is_list:
        table = read_manifest(path)
        names = table["path"].tolist()
        files = [str(path.parent / name) for name in names]
        return ListedCrops(path.parent, files, names, table["identity"].tolist(), table)
    if path.suffix in PACKED:
        pack = open_pack(path)
        return ListedCrops(path, pack.crops, pack.names, pack.identities, pack.manifest, pack)
    names, labels = read_list(path)
    files = [str((root or path.parent) / name) for name in names]
    return ListedCrops(path, files, names, [str(label) for label in labels], labels=labels)
