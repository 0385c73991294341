"""Crops in identity/image folders: whose they are, and who has none."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from sphereface_plus.data.crops import CropsError
from sphereface_plus.data.folder_notes import AS_A_LIST, folders_left_out, taken_for_one
from sphereface_plus.data.formats.keys import IMAGE_SUFFIXES
from sphereface_plus.data.formats.manifest import MANIFEST
from sphereface_plus.outputs import UNFINISHED
from sphereface_plus.words import counted


@dataclass(frozen=True)
class FolderCrops:
    images: list[tuple[str, str]]
    """(identity, file name), sorted."""
    lost: dict[str, str] = field(default_factory=dict)
    """Folders without an image -> why."""
    notes: list[str] = field(default_factory=list)
    """What else is left out, and what may be meant in another way, in a sentence each."""


def crops_of_folders(path: Path) -> FolderCrops:
    """The images in the folders of a folder. Raises CropsError where there is none, or a bad name."""
    if (path / UNFINISHED).is_file():
        raise CropsError(
            f"{path}: holds {UNFINISHED} and no {MANIFEST}: its alignment was interrupted; "
            "give the same `python -m data_prep align` again, it goes on where it stopped"
        )
    images: list[tuple[str, str]] = []
    lost: dict[str, str] = {}
    deeper, skipped = None, []
    shown = _shown(path)
    for name in sorted(entry.name for entry in shown if entry.is_dir()):
        entries = _shown(path / name)
        found = [(name, entry.name) for entry in entries if _is_image(entry)]
        images += sorted(found)
        if found:
            albums = sorted(f"{name}/{entry.name}" for entry in entries if entry.is_dir())
            skipped += [album for album in albums if _first_below(path / album) is not None]
        else:
            below = _first_below(path / name)
            deeper = deeper or below
            lost[name] = (
                f"its images lie deeper ({below.relative_to(path).as_posix()}); give a list file of them"
                if below is not None
                else "its folder holds no image"
            )
    strange = next((f"{person}/{file}" for person, file in images if not _is_utf_8(person + file)), None)
    if strange is not None:
        shown = strange.encode("ascii", "backslashreplace").decode()
        raise CropsError(f"{path}: the name {shown} is not UTF-8, so no manifest could hold it; rename it")
    if images:
        beside = sorted(entry.name for entry in shown if _is_image(entry) and not entry.is_dir())
        notes = folders_left_out(skipped, "image", f"; to take them, too, {AS_A_LIST}")
        if beside:
            number, first = counted(len(beside), "image"), beside[0][:200]
            notes.append(f"{number} beside the people's folders left out, first {first}")
        notes += taken_for_one(Counter(name for name, _ in images), "image", AS_A_LIST)
        return FolderCrops(images, lost, notes)
    if deeper is None and (flat := sorted(entry.name for entry in shown if _is_image(entry))):
        raise CropsError(
            f"{path}: expected {MANIFEST} or images in identity/image folders, and its images "
            f"({flat[0][:200]}) lie beside each other; put those of each person in a folder, or give "
            f"{path.parent} if {path.name} is a person"
        )
    if deeper is None:
        raise CropsError(f"{path}: expected {MANIFEST} or images in identity/image folders, found neither")
    person, album = deeper.relative_to(path).parts[0], deeper.parent
    raise CropsError(
        f"{path}: expected {MANIFEST} or images in identity/image folders, but they lie deeper "
        f"({deeper.relative_to(path).as_posix()}); if {album.name} is a person, give {album.parent}; "
        f"if {person} is one, with a folder for each video or album, give a list file of `path label` lines"
    )


def _shown(folder: Path) -> list[os.DirEntry[str]]:
    with os.scandir(folder) as entries:
        return [entry for entry in entries if not entry.name.startswith(".")]


def _is_image(entry: os.DirEntry[str]) -> bool:
    return Path(entry.name).suffix.lower() in IMAGE_SUFFIXES


def _is_utf_8(name: str) -> bool:
    """Other bytes Python reads as lone surrogates."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _first_below(folder: Path) -> Path | None:
    """The first image in a folder's folders, by name."""
    for name, folders, files in os.walk(folder):
        folders[:] = sorted(each for each in folders if not each.startswith("."))
        for file in sorted(files):
            if Path(file).suffix.lower() in IMAGE_SUFFIXES and not file.startswith("."):
                return Path(name) / file
    return None
