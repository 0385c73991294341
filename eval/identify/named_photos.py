"""Photos and whose they are: a gallery, its probes, its distractors."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from data_prep.layouts import LFW_FOLDERS
from sphereface_plus.data.crops import CropsError
from sphereface_plus.data.face_folders import crops_of_folders
from sphereface_plus.data.formats.embedding_store import is_store, open_embeddings
from sphereface_plus.data.formats.keys import photo_key
from sphereface_plus.data.formats.lists import read_named_list
from sphereface_plus.data.formats.manifest import MANIFEST
from sphereface_plus.data.formats.packed_faces import SUFFIXES as PACKED
from sphereface_plus.data.formats.packs import CropSource, PackedCrop
from sphereface_plus.data.formats.tar_sets import is_tar_set
from sphereface_plus.data.listed_crops import listed_crops
from sphereface_plus.data.trained_on import person_of
from sphereface_plus.words import counted

from ..errors import PhotosError
from ..photos import Images, find_images, first_three


@dataclass(frozen=True)
class NamedPhotos:
    """N photos."""

    role: str
    """gallery, probes or distractors; a number follows where there are several."""
    place: Path
    keys: list[str]
    """Photo keys (data/formats/keys.py)."""
    people: list[str]
    """Whose each is, parallel to `keys`; a distractor that nothing names is a person of its own, ``."""
    images: Images | None
    """None for embeddings."""
    notes: list[str] = field(default_factory=list)
    """What its user should know, in a sentence each."""


def named_photos(role: str, place: Path) -> NamedPhotos:
    """The photos of a folder `person/photo`, a manifest, a list `path person`, a .rec, a .tar, or those of
    embeddings (a store or an .npz), whose keys are `person/photo`.

    Distractors need no names: of them every image below a folder counts.
    Raises PhotosError, and what the formats raise for a file that cannot be used.
    """
    unnamed = role.startswith("distractors")
    if not place.exists():
        raise PhotosError(
            f"{place}: there are no such {role}; name a folder of photos or crops, a manifest, a list, a "
            ".rec, a .tar, or embeddings"
        )
    if place.suffix == ".npz" or is_store(place):
        return _of_embeddings(role, place, unnamed)
    if place.suffix == ".bin" and not unnamed:
        raise PhotosError(f"{place}: a .bin does not say whose its crops are; give the crops that it is of")
    if place.is_file() and place.suffix not in (".csv", ".bin", *PACKED):
        rows = [(name, person) for _, name, person in read_named_list(place)]
        names, people = [name for name, _ in rows], [person for _, person in rows]
        files: list[CropSource] = [str(place.parent / name) for name in names]
        return _listed(role, place, Images(place.parent, {}), names, people, files)
    if place.is_dir() and not (place / MANIFEST).is_file() and not is_tar_set(place):
        return _of_folder(role, place, unnamed)
    images = find_images(place)
    if images.clashes:
        raise _twice(place, list(images.clashes.values()))
    listed = None if place.suffix == ".bin" else listed_crops(place)
    if listed is None and not images.files:
        raise PhotosError(f"{place}: holds no image; {role}: one at least is needed")
    if listed is None:
        return NamedPhotos(role, place, list(images.files), [""] * len(images.files), images)
    return _listed(role, place, images, listed.names, listed.identities, listed.crops)


def _listed(role, place, images: Images, names, people, files) -> NamedPhotos:
    keys = [photo_key(name) for name in names]
    if len(set(keys)) < len(keys):
        raise _twice(place, [key for key, count in Counter(keys).items() if count > 1])
    missing = [
        name
        for name, file in zip(names, files, strict=True)
        if not isinstance(file, PackedCrop) and not Path(file).is_file()
    ]
    if missing:
        raise PhotosError(
            f"{place}: names {counted(len(missing), 'image')} of {len(names):,} that cannot be found "
            f"({first_three(missing)}); put them back, or take them off"
        )
    if not keys:
        raise PhotosError(f"{place}: holds no image; {role}: one at least is needed")
    found = Images(
        images.folder, dict(zip(keys, files, strict=True)), images.template, images.methods, images.several
    )
    return NamedPhotos(role, place, keys, list(people), found)


def _twice(place: Path, names: list[str]) -> PhotosError:
    return PhotosError(
        f"{place}: has {counted(len(names), 'photo')} twice under one name, suffixes aside "
        f"({first_three(names)}); rename or remove one of each"
    )


def _of_folder(role: str, place: Path, unnamed: bool) -> NamedPhotos:
    root = next((place / name for name in LFW_FOLDERS[1:] if (place / name).is_dir()), place)
    if unnamed:
        images = find_images(place)
        if images.clashes:
            raise _twice(place, list(images.clashes.values()))
        if not images.files:
            raise PhotosError(f"{place}: holds no image; {role}: one at least is needed")
        keys = list(images.files)
        return NamedPhotos(role, place, keys, [person_of(key) or "" for key in keys], images)
    try:
        found = crops_of_folders(root)
    except CropsError as error:
        raise PhotosError(f"{error} ({role})") from None
    names = [f"{person}/{image}" for person, image in found.images]
    keys = [photo_key(name) for name in names]
    if len(set(keys)) < len(keys):
        raise _twice(place, [key for key, count in Counter(keys).items() if count > 1])
    files: dict[str, CropSource] = {key: root / name for key, name in zip(keys, names, strict=True)}
    notes = list(found.notes)
    if found.lost:
        lost = [f"{person} ({why})" for person, why in found.lost.items()]
        notes.append(f"people without a photo left out: {first_three(lost)}, {len(lost):,} in all")
    return NamedPhotos(role, place, keys, [person for person, _ in found.images], Images(root, files), notes)


def _of_embeddings(role: str, place: Path, unnamed: bool) -> NamedPhotos:
    keys = open_embeddings(place).keys
    people = [person_of(key) for key in keys]
    nameless = [key for key, person in zip(keys, people, strict=True) if person is None]
    if nameless and not unnamed:
        raise PhotosError(
            f"{place}: {counted(len(nameless), 'key')} of {len(keys):,} do not say whose they are "
            f"({first_three(nameless)}); keys must be person/photo"
        )
    if not keys:
        raise PhotosError(f"{place}: holds no embedding; {role}: one at least is needed")
    return NamedPhotos(role, place, keys, [person or "" for person in people], None)
