"""From the photo keys of a pairs list to aligned crops: those there are, or photos that are aligned first."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from data_prep.layouts import LFW_FOLDERS
from sphereface_plus.config import InputSpec
from sphereface_plus.data.crops import check_crops, read_crop
from sphereface_plus.data.crops import fingerprint as crops_fingerprint
from sphereface_plus.data.formats.bins import read_bin
from sphereface_plus.data.formats.keys import IMAGE_SUFFIXES, photo_key
from sphereface_plus.data.formats.manifest import MANIFEST
from sphereface_plus.data.formats.packs import CropSource, PackedCrop
from sphereface_plus.data.listed_crops import listed_crops
from sphereface_plus.outputs import UNFINISHED
from sphereface_plus.words import counted

from .errors import PhotosError

if TYPE_CHECKING:
    from data_prep.settings import Fallback

_TAKEN = {
    "centre": "the one nearest to the photo's centre",
    "largest": "the largest",
    "confident": "the one that the detector is surest of",
}
"""What data_prep's --face takes."""


@dataclass(frozen=True)
class Images:
    """Image files by photo key, and what a manifest says about them."""

    folder: Path
    """Or the pack or list that they come from."""
    files: Mapping[str, CropSource]
    template: str | None = None
    """Alignment template; None where no manifest names one."""
    methods: dict[str, str] = field(default_factory=dict)
    """How each crop's landmarks were found, by key; empty without a manifest."""
    several: frozenset[str] = frozenset()
    """Keys of crops whose photo shows several faces, by a manifest."""
    clashes: dict[str, str] = field(default_factory=dict)
    """Keys that two photos have, which differ in their suffixes only, and these two in words."""

    def only(self, keys: Sequence[str]) -> Images:
        """Those of `keys`, all of which must be there, once. Raises PhotosError."""
        if twice := [self.clashes[key] for key in keys if key in self.clashes]:
            raise PhotosError(f"{self.folder}: {twice[0]} have one name, suffixes aside; remove one")
        missing = [key for key in keys if key not in self.files]
        if missing:
            raise PhotosError(f"{self.folder}: {self._why_missing(missing, len(keys))}")
        files = {key: self.files[key] for key in keys}
        methods = {key: self.methods[key] for key in keys if key in self.methods}
        return Images(self.folder, files, self.template, methods, self.several.intersection(keys))

    def _why_missing(self, missing: Sequence[str], number: int) -> str:
        if dropped := _dropped(self.folder, missing) if self.template else []:
            were = "was" if len(dropped) == 1 else "were"
            return (
                f"{len(dropped):,} of the {number:,} photos asked for {were} dropped "
                f"({first_three(dropped)}), as {MANIFEST}.dropped says; make the pairs or the list "
                "again, without them"
            )
        cause = (
            "its report.json says why, unless there is no such photo; data_prep's --fallback centre "
            "takes photos without a face, too"
            if self.template and len(missing) < number
            else "the list is of other photos, or the folder is not the one its paths start from"
        )
        words = f"has no image of {len(missing):,} of the {number:,} photos asked for"
        return f"{words} ({first_three(missing)}); {cause}"


def _dropped(place: Path, keys: Sequence[str]) -> list[str]:
    """Those of the keys whose crops a person took out of a manifest."""
    from data_prep.dropped import dropped_before

    there = set(map(photo_key, dropped_before(place / MANIFEST if place.is_dir() else place)))
    return [key for key in keys if key in there]


def first_three(names: Sequence[str]) -> str:
    """The first three of many names, for a message that counts them all."""
    return ", ".join([*names[:3], *(["..."] if len(names) > 3 else [])])


def find_images(place: Path) -> Images:
    """The crops of a manifest, a list, a .rec, a .tar or a .bin; of a folder those of its manifest, or else
    every image in it (or in the folder of it that LFW is unpacked to).

    Raises PhotosError, also for crops that are not all there yet, and what the formats raise for a file that
    cannot be used.
    """
    if place.suffix == ".bin" and place.is_file():
        return Images(place, read_bin(place).crops)
    try:
        listed = listed_crops(place)
    except FileNotFoundError:
        raise PhotosError(
            f"{place}: there is no such folder; --images takes a folder of photos or crops, or a manifest, "
            "list or packed set of crops"
        ) from None
    if listed is None:
        return _of_folder(place)
    found, table = _by_key(listed.place, listed.names, listed.crops), listed.manifest
    if table is None:
        return found
    templates = sorted(set(table["template"]))
    if len(templates) != 1:
        raise PhotosError(f"{listed.place}: crops of one template are needed, its manifest names {templates}")
    keys = [photo_key(name) for name in listed.names]
    methods = dict(zip(keys, table["method"], strict=True))
    several = frozenset(key for key, faces in zip(keys, table["num_faces"], strict=True) if faces > 1)
    return replace(found, template=templates[0], methods=methods, several=several)


def _by_key(place: Path, names: Sequence[str], crops: Sequence[CropSource]) -> Images:
    """Of two crops with one key the first counts."""
    first: dict[str, str] = {}
    files: dict[str, CropSource] = {}
    clashes: dict[str, str] = {}
    for name, crop in zip(names, crops, strict=True):
        key = photo_key(name)
        if key in files:
            clashes[key] = f"{first[key]} and {name}"
        else:
            first[key], files[key] = name, crop
    return Images(place, files, clashes=clashes)


def _of_folder(folder: Path) -> Images:
    if (folder / UNFINISHED).is_file():
        raise PhotosError(
            f"{folder}: holds {UNFINISHED} and no {MANIFEST}: its alignment was interrupted; give the same "
            "`python -m data_prep align` (or `python -m eval`) again, it goes on where it stopped"
        )
    root = next((folder / name for name in LFW_FOLDERS[1:] if (folder / name).is_dir()), folder)
    paths = [
        path
        for path in sorted(root.rglob("*"))
        if path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith(".")
    ]
    return _by_key(root, [path.relative_to(root).as_posix() for path in paths], paths)


def crops_for(
    keys: Sequence[str],
    place: Path | Images,
    spec: InputSpec,
    *,
    crops: Path,
    workers: int | None = None,
    fallback: Fallback = "centre",
    align: bool = True,
) -> tuple[Images, dict[str, Any]]:
    """Crops of the keys that fit a network's input spec, and what the report says about them.

    place: crops in any form that find_images takes, or a folder of photos, which are aligned into `crops`; or
    what was found there. An interrupted alignment goes on where it stopped. A face that is not detected is
    looked for with lower thresholds, then taken at the photo's centre: what is measured is fixed, so no photo
    may drop out.
    fallback: another way with such faces; with any but centre, the crops returned may be fewer than the keys.
    align: whether photos are aligned; otherwise they are refused.
    Raises PhotosError, and SpecError for crops of another template or size.
    """
    from data_prep.images import read_photo

    images = (place if isinstance(place, Images) else find_images(place)).only(keys)
    first = images.files[keys[0]]
    of_folder = images.folder.is_dir()
    if of_folder and not isinstance(first, PackedCrop):  # HEIC needs a plugin, which crops do not
        size = read_photo(first).shape[:2]
    else:
        size = read_crop(first).shape[:2]
    if images.template is None and size != (spec.height, spec.width) and of_folder:
        if not align:
            raise PhotosError(
                f"{images.folder}: holds photos, and --shard takes crops; align them first, in shares, too: "
                f"python -m data_prep align PHOTOS CROPS --template {spec.template}"
            )
        images = _align(images, keys, spec.template, crops, workers, fallback)
        size = (spec.height, spec.width)
    check_crops(images.template, size, spec)
    return images, _record(images)


def fingerprint(images: Images) -> str:
    """Hash of which files these are, to tell whether stored embeddings still belong to them."""
    keys = sorted(images.files)
    return crops_fingerprint(keys, [images.files[key] for key in keys])


def _align(
    images: Images,
    keys: Sequence[str],
    template: str,
    crops: Path,
    workers: int | None,
    fallback: Fallback,
) -> Images:
    from data_prep.align import align_folder
    from sphereface_plus.commands.progress import show_progress

    with show_progress("photos aligned") as progress:
        align_folder(
            images.folder,
            crops,
            selection=keys,
            template=template,
            fallback=fallback,
            workers=workers,
            progress=progress,
        )
    found = find_images(crops)
    if lost := [key for key in keys if key not in found.files and fallback == "centre"]:
        raise PhotosError(
            f"{images.folder}: {len(lost):,} of the {counted(len(keys), 'photo')} cannot be used "
            f"({first_three(_problems(crops, images, lost))}); put whole photos in their place, or leave "
            "these out"
        )
    return found.only(keys if fallback == "centre" else [key for key in keys if key in found.files])


def _problems(crops: Path, images: Images, keys: Sequence[str]) -> list[str]:
    """Why photos have no crop, by the report of their alignment, in words that begin with their paths."""
    report = json.loads((crops / "report.json").read_text(encoding="utf-8"))
    why = {photo_key(row["source"]): row["detail"] or row["problem"] for row in report["without_crop"]}
    return [f"{images.files[key]}: {why.get(key, 'has no crop')}" for key in keys]


def _record(images: Images) -> dict[str, Any]:
    """What became of the photos, in words and in numbers."""
    if not images.methods:
        return {
            "words": f"Crops of {images.folder.name}, used as they are; no manifest says how they were made.",
            "methods": {},
            "not_detected": [],
            "settings": {},
        }
    counts = Counter(images.methods.values())
    not_detected = [
        {"photo": key, "method": method}
        for key, method in sorted(images.methods.items())
        if method not in ("detected", "given")
    ]
    parts = [
        f"{counts[method]:,} {words if counts[method] > 1 else _of_one(words)}"
        for method, words in (
            ("detected", "were detected"),
            ("given", "have given landmarks"),
            ("relaxed", "were found only with lower thresholds of the detector"),
            ("centre", "were not found, and the place where faces usually are was taken"),
        )
        if counts[method]
    ]
    settings = _settings(images.folder)
    several = "" if not images.several else f" {several_faces(images.several, settings)}."
    return {
        "words": f"Of {counted(len(images.methods), 'face')}, "
        + ", ".join(parts)
        + f". Template {images.template}.{several}",
        "methods": dict(counts),
        "not_detected": not_detected,
        "settings": settings,
    }


def several_faces(photos: Collection[str], settings: Mapping[str, Any]) -> str:
    """That so many photos show several faces, and which was taken, by the settings of their alignment."""
    show = "shows" if len(photos) == 1 else "show"
    taken = _TAKEN.get(settings.get("face", ""), "one, by a rule that is not known,")
    which = "each has a crop" if settings.get("face") == "all" else f"of which {taken} was taken"
    return f"{counted(len(photos), 'photo')} {show} several faces, {which}"


def _of_one(words: str) -> str:
    return words.replace("were ", "was ").replace("have ", "has ")


def _settings(crops: Path) -> dict[str, Any]:
    """How data_prep made the crops: detector, similarity transform, fallback; {} where it left no report."""
    try:
        settings = json.loads((crops / "report.json").read_text(encoding="utf-8"))["settings"]
    except (OSError, ValueError, KeyError, TypeError):
        return {}
    return {name: value for name, value in settings.items() if name != "photos"}  # a place on somebody's disk
