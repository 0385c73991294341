"""Which photos there are and whose they are, for the known layouts of face data sets.

folder          identity/photo
nested          identity/.../photo: folders in a person's folder, for videos or albums, are that person's
list            a file of lines `path label` (sphereface_plus/data/formats/lists.py)
lfw-devtrain    LFW view 1: all photos of the people in peopleDevTrain.txt
lfw-devtest     LFW view 1: the photos in pairsDevTest.txt
lfw-view2       LFW view 2: the photos in pairs.txt
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace
from os.path import isdir  # False, where Path's raises, for a name that is too long
from pathlib import Path, PurePosixPath

from sphereface_plus.data.formats.lists import ListError, read_named_list
from sphereface_plus.data.formats.manifest import leads_outside
from sphereface_plus.data.formats.pairs import PairsError, is_count, read_pairs
from sphereface_plus.files import text_of
from sphereface_plus.words import counted

from .errors import PrepError
from .folders import Photo, Photos, crop_stem, entries, is_photo, photos_of_folders

__all__ = ["Photo", "Photos", "crop_stem", "find_photos", "select_photos"]

LAYOUTS = ("folder", "nested", "list", "lfw-devtrain", "lfw-devtest", "lfw-view2")
LFW_FOLDERS = ("", "images", "lfw", "lfw-deepfunneled", "lfw_funneled", "lfw-funneled")
MAX_LFW = 100_000
"""Photos that a people file may count: each becomes a name in memory, whether it exists or not."""
_LFW_LISTS = {
    "lfw-devtrain": "peopleDevTrain.txt",
    "lfw-devtest": "pairsDevTest.txt",
    "lfw-view2": "pairs.txt",
}


def find_photos(
    root: Path, layout: str = "folder", *, list_file: Path | None = None, min_images: int = 1
) -> Photos:
    """The photos below root. list_file goes with the layout `list`; smaller identities are left out.

    Raises PrepError where there is none, and for lists that are missing or wrong.
    """
    _require_folder(root)
    if layout not in LAYOUTS:
        raise PrepError(f"--layout must be one of {', '.join(LAYOUTS)}, got {layout!r}")
    if (layout == "list") != (list_file is not None):
        raise PrepError("--layout list needs --list FILE, and no other layout takes one")
    if list_file is not None:
        found = Photos(root, _read_list(list_file), {})
    else:
        nested = layout == "nested"
        found = photos_of_folders(root, nested=nested) if nested or layout == "folder" else _lfw(root, layout)
    found = _without_clashes(found)
    counts = Counter(photo.identity for photo in found.photos)
    most = max(counts.values(), default=0)  # a list of LFW's may name nobody
    if most < min_images:
        raise PrepError(
            f"{root}: no identity has {counted(min_images, 'photo')}, the most is {most}; lower --min-images"
        )
    photos = [photo for photo in found.photos if counts[photo.identity] >= min_images]
    few = {
        name: f"{counted(count, 'photo')}, fewer than --min-images {min_images}"
        for name, count in counts.items()
        if count < min_images
    }
    twins = {photo: other for photo, other in found.twins.items() if photo.identity not in few}
    return replace(found, photos=photos, lost=dict(sorted({**found.lost, **few}.items())), twins=twins)


def select_photos(root: Path, keys: Iterable[str]) -> Photos:
    """The photos of keys such as `Name/Name_0001`, with or without suffix; the identity is the key's folder.

    They may lie in root or in one of the folders that LFW is usually unpacked to. A key without a photo
    stays, so that it is counted as missing. Raises PrepError for keys that lead out of root.
    """
    _require_folder(root)
    keys = set(keys)
    for key in keys:
        _refuse_outside(key, "the list of photos")
    folders = {PurePosixPath(key).parent.as_posix() for key in keys}
    root = _lfw_folder(root, folders)
    paths: dict[str, str] = {}
    for folder in folders:
        for entry in entries(root / folder) if isdir(root / folder) else ():  # noqa: PTH112
            if is_photo(entry.name):
                path = (PurePosixPath(folder) / entry.name).as_posix()
                paths[path] = path
                paths.setdefault(crop_stem(path), path)
    photos = [Photo(paths.get(key, key), PurePosixPath(key).parent.as_posix()) for key in keys]
    return _without_clashes(Photos(root, photos, {}))


def _read_list(path: Path) -> list[Photo]:
    photos = []
    try:
        for number, name, label in read_named_list(path):
            _refuse_outside(name, f"{path}:{number}")
            photos.append(Photo(PurePosixPath(name).as_posix(), label))
    except ListError as error:
        raise PrepError(str(error)) from None
    if not photos:
        raise PrepError(f"{path}: the list is empty; --list takes a line `path label` for each photo")
    return photos


def _lfw(root: Path, layout: str) -> Photos:
    name = _LFW_LISTS[layout]
    path = next((folder / name for folder in (root, root.parent) if (folder / name).is_file()), None)
    if path is None:
        raise PrepError(f"{root}: --layout {layout} needs LFW's {name} in this folder or beside it")
    if layout == "lfw-devtrain":
        keys = [
            f"{person}/{person}_{number:04d}"
            for person, count in _people(path)
            for number in range(1, count + 1)
        ]
    else:
        try:
            keys = read_pairs(path).photos
        except PairsError as error:
            raise PrepError(str(error)) from None
    return select_photos(root, (f"{key}.jpg" for key in keys))


def _people(path: Path) -> Iterator[tuple[str, int]]:
    """(name, number of photos) of the lines of LFW's people files; the first line counts the others."""
    left = MAX_LFW
    for number, line in enumerate(text_of(path, PrepError, "a text file in UTF-8").splitlines()[1:], start=2):
        name, _, count = line.strip().partition("\t")
        if not name or not is_count(count):
            raise PrepError(f"{path}:{number}: expected a name, a tab and a count, got {line[:200]!r}")
        left -= int(count)
        if left < 0:
            raise PrepError(f"{path}:{number}: counts more than {MAX_LFW:,} photos; LFW has 13,233")
        yield name, int(count)


def _lfw_folder(root: Path, folders: Iterable[str]) -> Path:
    """Where the first of the folders is found: root itself or what LFW is usually unpacked to; else root."""
    first = min(folders, default="")
    return next((root / name for name in LFW_FOLDERS if isdir(root / name / first)), root)  # noqa: PTH112


def _without_clashes(found: Photos) -> Photos:
    """The photos sorted, and of those whose crops would have one name the first only.

    Raises PrepError for a photo with two identities.
    """
    photos, twins = [], {}
    taken: dict[str, Photo] = {}
    for photo in sorted(set(found.photos)):
        other = taken.setdefault(crop_stem(photo.path), photo)
        if other.path == photo.path and other.identity != photo.identity:
            raise PrepError(
                f"{photo.path} is listed for two identities, {other.identity} and {photo.identity}"
            )
        if other is photo:
            photos.append(photo)
        else:
            twins[photo] = other.path
    return replace(found, photos=photos, twins=twins)


def _require_folder(root: Path) -> None:
    if root.is_file():
        raise PrepError(
            f"{root}: is a file; give the folder of photos, in which each person's photos have a folder"
        )
    if not root.is_dir():
        raise PrepError(f"{root}: there is no such folder of photos")


def _refuse_outside(path: str, where: str) -> None:
    if leads_outside(path):
        raise PrepError(
            f"{where}: {path[:200]!r} leads out of the folder of photos; paths must be relative to it"
        )
