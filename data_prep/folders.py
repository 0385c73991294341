"""Folders of photos, one for each person: what they hold, whose it is, and who is lost."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from sphereface_plus.data.folder_notes import folders_left_out, taken_for_one
from sphereface_plus.data.formats.keys import IMAGE_SUFFIXES

from .errors import PrepError

_AS_A_LIST = "name persons and photos: --layout list --list FILE"


@dataclass(frozen=True, order=True, slots=True)
class Photo:
    path: str
    """Relative to the photos' root, with `/`."""
    identity: str


@dataclass(frozen=True)
class Photos:
    root: Path
    photos: list[Photo]
    """Sorted by path, each path once. Those that a list names need not exist."""
    ignored: dict[str, int]
    """What lies in a folder and is not a photo of an identity: how many of each kind."""
    lost: dict[str, str] = field(default_factory=dict)
    """Who has a folder or a list's line, but no photo among these, and why."""
    twins: dict[Photo, str] = field(default_factory=dict)
    """Photos that are left out, as their crops would have the name of another's: the path of that one."""
    notes: list[str] = field(default_factory=list)
    """What may be meant in another way, in a sentence each."""


def crop_stem(path: str) -> str:
    """A photo's path without its suffix, which is what its crop is called. Names may hold other dots."""
    pure = PurePosixPath(path)
    return (pure.with_suffix("") if is_photo(pure.name) else pure).as_posix()


def photos_of_folders(root: Path, *, nested: bool) -> Photos:
    """The photos in root's folders, which are called by whose they are; with nested, in folders of these too.

    Raises PrepError where there is none.
    """
    photos: list[Photo] = []
    ignored: Counter[str] = Counter()
    lost: dict[str, str] = {}
    deeper = None  # the first photo that lies in a folder of a person's folder
    skipped: list[str] = []
    for identity in entries(root):
        if not identity.is_dir():
            ignored["photo beside the identities" if is_photo(identity.name) else _kind(identity.name)] += 1
            continue
        before, others = len(photos), Counter()
        for path in _files(root, identity.name, nested=nested):
            if path.endswith("/"):
                others["folder in an identity's folder"] += 1
                if photo := next(_photos_below(root, path.rstrip("/")), None):
                    deeper = deeper or photo
                    skipped.append(path.rstrip("/"))
            elif is_photo(path):
                photos.append(Photo(path, identity.name))
            else:
                others[_kind(path)] += 1
        ignored += others
        if len(photos) == before:
            lost[identity.name] = _why_nobody(identity.name, others, skipped)
    if photos:
        advice = "" if nested else "; --layout nested takes them, too"
        notes = folders_left_out(skipped, "photo", advice, links=nested)
        notes += taken_for_one(Counter(photo.identity for photo in photos), "photo", _AS_A_LIST)
        return Photos(root, photos, dict(ignored), lost, notes=notes)
    if deeper:
        person, album = deeper.split("/")[0], PurePosixPath(deeper).parent
        raise PrepError(
            f"{root}: expected identity/photo, but the photos lie deeper ({deeper}); "
            f"if {person} is a person, with a folder for each video or album, add --layout nested; "
            f"if {album.name} is one, give {root / album.parent}"
        )
    if "photo beside the identities" in ignored:
        raise PrepError(
            f"{root}: the photos lie directly in the folder, so nothing says whose they are; put each "
            f"person's photos into a folder of its own, or {_AS_A_LIST}"
        )
    kinds = ", ".join(sorted(ignored)) or "nothing"
    raise PrepError(f"{root}: there is no photo in identity/photo folders, found: {kinds}")


def _files(root: Path, folder: str, *, nested: bool) -> Iterator[str]:
    """What lies in a folder below root, by name; folders that are not entered end in `/`.

    nested: what lies in its folders, too; links to others are not followed.
    """
    for entry in entries(root / folder):
        path = f"{folder}/{entry.name}"
        if not entry.is_dir():
            yield path
        elif nested and not entry.is_symlink():
            yield from _files(root, path, nested=True)
        else:
            yield f"{path}/"


def _photos_below(root: Path, folder: str) -> Iterator[str]:
    return (path for path in _files(root, folder, nested=True) if is_photo(path))


def _why_nobody(name: str, others: Counter[str], skipped: list[str]) -> str:
    album = next((path for path in skipped if path.startswith(f"{name}/")), None)
    if album is not None:
        return f"its photos lie in folders of its own ({album}), which --layout nested takes"
    kinds = ", ".join(f"{kind} {count:,}" for kind, count in sorted(others.items()))
    return f"its folder holds no photo, but {kinds}" if kinds else "its folder is empty"


def entries(folder: Path) -> list[os.DirEntry[str]]:
    """What a folder holds, sorted, without hidden files. Raises PrepError where it cannot be read: taken for
    empty, it would cost its person the crops that are there already."""
    try:
        with os.scandir(folder) as entries:
            return sorted((e for e in entries if not e.name.startswith(".")), key=lambda entry: entry.name)
    except OSError as error:
        raise PrepError(
            f"{folder}: cannot be read ({error.strerror}); make it readable, or move it away, and call again"
        ) from None


def is_photo(name: str) -> bool:
    return PurePosixPath(name).suffix.lower() in IMAGE_SUFFIXES


def _kind(name: str) -> str:
    return f"{PurePosixPath(name).suffix.lower() or 'other'} file"
