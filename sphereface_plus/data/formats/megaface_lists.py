"""MegaFace's lists, as its development kit and insightface's evaluation write them.

template list   JSON {"path": [...], "id": [...]}: images relative to their folder; of probes also whose
                they are. `facescrub_features_list.json`, and `megaface_features_list.json_<size>_<set>`,
                each with that many distractors: sizes 10 to 1,000,000, sets 1 to 10.
noise list      a name a line, `#` before comments: of FaceScrub `Name_123.png`, of MegaFace the last
                three parts of a path. Where a line has columns, divided by tabs, the last one.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from sphereface_plus.data.formats.keys import photo_key
from sphereface_plus.errors import UserError
from sphereface_plus.files import text_of
from sphereface_plus.words import counted

NUMBER_OF_PHOTO = re.compile(r"_[0-9]+$")
DISTRACTOR_LIST = re.compile(r"(?P<name>.+)\.json_(?P<size>[0-9]{1,9})_(?P<set>[0-9]{1,4})")


class MegaFaceError(UserError):
    """A file of MegaFace's that cannot be used; the message names it."""


@dataclass(frozen=True)
class TemplateList:
    """Images, in the list's order."""

    file: Path
    paths: list[str]
    """Relative to the images' folder, or to that of their features."""
    people: list[str] | None
    """Whose each image is; None where the list does not say."""


@dataclass(frozen=True)
class NoiseList:
    """Images whose label is known to be wrong."""

    file: Path
    sha256: str
    names: frozenset[str]
    """As `noise_name` has them."""

    def noise_of(self, key: str) -> str | None:
        """The name of a photo in the list, its key's last part or its last three; None without one."""
        parts = noise_name(key).split("/")
        return next((name for name in (parts[-1], "/".join(parts[-3:])) if name in self.names), None)

    def names_of_people(self, keys: Iterable[str]) -> set[str]:
        """The names whose people are among the photos': only these can match. Of FaceScrub a name without its
        number, of MegaFace the account's folder."""
        people = set()
        for key in keys:
            parts = noise_name(key).split("/")
            people |= {_person(parts[-1]), _person("/".join(parts[-3:]))}
        return {name for name in self.names if _person(name) in people}


def read_template_list(file: str | Path) -> TemplateList:
    """Raises MegaFaceError for a file that is not such a list, and for a path that leaves its folder."""
    file = Path(file)
    what = "a template list, JSON with the field path"
    text = text_of(file, MegaFaceError, what)
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        raise MegaFaceError(f"{file}: is not {what}, or was cut off; copy it again") from None
    paths = content.get("path") if isinstance(content, dict) else None
    people = content.get("id") if isinstance(content, dict) else None
    if not _are_texts(paths) or not paths:
        raise MegaFaceError(
            f"{file}: is not a template list: its field path has to be a list of paths, and not empty"
        )
    for path in paths:
        if not path or "\0" in path or PurePosixPath(path).is_absolute() or ".." in PurePosixPath(path).parts:
            raise MegaFaceError(f"{file}: {path!r} is not a path below the images' folder")
    twice = [key for key, count in Counter(map(photo_key, paths)).items() if count > 1]
    if twice:
        shown = ", ".join([*twice[:3], *(["..."] if len(twice) > 3 else [])])
        raise MegaFaceError(
            f"{file}: holds {counted(len(twice), 'image')} several times ({shown}); each counts once, remove "
            "the others"
        )
    if people is not None and (not _are_texts(people) or len(people) != len(paths)):
        raise MegaFaceError(f"{file}: its field id has to be a list of names, one for each path")
    return TemplateList(file, paths, people)


def distractor_lists(folder: str | Path) -> dict[int, dict[int, Path]]:
    """The files `..._<size>_<set>` of a folder: set -> size -> file, both rising.

    Raises MegaFaceError where there is none, or lists of several names.
    """
    folder, found = Path(folder), {}
    if not folder.is_dir():
        raise MegaFaceError(f"{folder}: is a file; name the folder templatelists of the kit")
    names = set()
    for file in sorted(folder.iterdir()):
        match = DISTRACTOR_LIST.fullmatch(file.name)
        if match and file.is_file():
            names.add(match["name"])
            found.setdefault(int(match["set"]), {})[int(match["size"])] = file
    if not found:
        raise MegaFaceError(
            f"{folder}: holds no list of distractors, megaface_features_list.json_<size>_<set>; "
            "name the folder templatelists of the kit"
        )
    if len(names) > 1:
        raise MegaFaceError(
            f"{folder}: holds lists of several kinds, {', '.join(sorted(names))}; move all but one away"
        )
    return {number: dict(sorted(found[number].items())) for number in sorted(found)}


def read_noise_list(file: str | Path) -> NoiseList:
    """Raises MegaFaceError."""
    file = Path(file)
    lines = text_of(file, MegaFaceError, "a noise list, a text with a name a line").splitlines()
    names = {noise_name(line.split("\t")[-1]) for line in lines if line.strip() and not line.startswith("#")}
    if not names:
        raise MegaFaceError(f"{file}: the noise list is empty")
    return NoiseList(file, hashlib.sha256(file.read_bytes()).hexdigest(), frozenset(names))


def noise_name(path: str) -> str:
    """A path as noise lists are compared: no image's suffix, `_` for a space, `/` between parts."""
    return photo_key(path.strip().replace("\\", "/").replace(" ", "_"))


def _person(name: str) -> str:
    """Whose photo a noise list's name is: `A_B` of `A_B_12`, `375/1@N00` of `375/1@N00/2_0`."""
    return name.rpartition("/")[0] or NUMBER_OF_PHOTO.sub("", name)


def _are_texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(one, str) for one in value)
