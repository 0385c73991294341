"""What a file is that was given in another's place: a pairs list for crops, a manifest for landmarks.

Only what its beginning shows beyond doubt has a kind here. All else is left to the reader that was asked,
which says in which line it is wrong. CALFW's pairs (`name.jpg fold`) look like a list of crops, so the reader
of pairs takes lists, too.
"""

from __future__ import annotations

import csv
import re
import zipfile
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Literal, cast

from sphereface_plus.data.formats.keys import IMAGE_SUFFIXES
from sphereface_plus.data.formats.manifest import MANIFEST
from sphereface_plus.data.formats.pair_columns import COLUMN_NAMES, plain
from sphereface_plus.data.formats.pair_fields import is_count, is_label

Kind = Literal[
    "pairs",
    "list",
    "manifest",
    "landmarks",
    "embeddings",
    "checkpoint",
    "image",
    "report",
    "identification",
    "megaface",
    "ijb",
    "alignment",
    "comparison",
    "crops",
    "run",
]
_IS: dict[Kind, str] = {
    "pairs": "a list of pairs, which `python -m eval verify --pairs` and validation.pairs take",
    "list": "a list of images, which data.path takes where they are crops, and `align --list` of photos",
    "manifest": "the manifest of a folder of crops, which data.path and --images take",
    "landmarks": "a file of landmarks, which `python -m data_prep align --landmarks` takes",
    "embeddings": "an .npz of embeddings, which `python -m eval` takes as --model",
    "checkpoint": "a checkpoint, which `python -m eval` takes as --model",
    "image": "an image; images are taken by their folder or list",
    "report": "a verification report, which `python -m eval compare` and `same` take",
    "identification": "an identification report, which `python -m eval who` and, beside others of its kind, "
    "`compare` take",
    "megaface": "a report of MegaFace's challenge, which `python -m eval compare` takes beside others of its "
    "kind",
    "ijb": "a report of IJB-B or IJB-C, which `python -m eval compare` takes beside others of its kind",
    "alignment": "the report of an alignment, which is there to be read",
    "comparison": "a comparison, which is there to be read",
    "crops": "a folder of crops, which data.path and --images take",
    "run": "a run folder, which `python -m eval` takes as --model",
}
_HEAD, _LINES = 2**16, 8
"""Bytes and lines of a file that are looked at."""
_IMAGES = (b"\xff\xd8\xff", b"\x89PNG\r\n", b"GIF8", b"BM")
_SUFFIX = "(?:" + "|".join(map(re.escape, sorted(IMAGE_SUFFIXES))) + ")"
_IMAGE_AND_WHOSE = re.compile(rf".*{_SUFFIX}\"?(?:\s*[,;]\s*|\s+)[^\s,;/\\]+", re.IGNORECASE)


def refusal(path: Path, needed: str, takes: Collection[Kind] = ()) -> str | None:
    """A sentence where the file or folder is of another kind than a reader takes; None where it may be right.

    needed: what the reader wants, for the sentence's end.
    """
    kind = kind_of(path)
    return None if kind is None or kind in takes else f"{path}: is {_IS[kind]}; here {needed}"


def kind_of(path: Path) -> Kind | None:
    """What a file or folder is beyond doubt; None for all else, and where it cannot be read."""
    try:
        if path.is_dir():
            return _of_folder(path)
        if not path.is_file():  # a pipe would give its content to this look, and nothing to the reader
            return None
        with path.open("rb") as file:
            head = file.read(_HEAD)
    except OSError:
        return None
    if head.startswith(_IMAGES):
        return "image"
    if head.startswith(b"PK\3\4"):
        return _of_archive(path)
    text = _text(head)
    if text is None:
        return None
    if text.lstrip().startswith("{"):
        return _of_json(text)
    whole = text.splitlines() if len(head) < _HEAD else text.splitlines()[:-1]
    lines = [line.strip() for line in whole if line.strip()][:_LINES]
    return next((kind for kind, is_kind in _OF_LINES.items() if lines and is_kind(lines)), None)


def _of_folder(path: Path) -> Kind | None:
    marks: tuple[tuple[str, Kind], ...] = (
        (MANIFEST, "crops"),
        ("progress.jsonl", "crops"),
        ("checkpoints", "run"),
        ("compare.json", "comparison"),
    )
    for name, kind in marks:
        if (path / name).exists():
            return kind
    return kind_of(path / "report.json") if (path / "report.json").is_file() else None


def _of_archive(path: Path) -> Kind | None:
    try:
        with zipfile.ZipFile(path) as archive:
            names = {name.rpartition("/")[2] for name in archive.namelist()}
    except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError):
        return None
    if {"keys.npy", "embeddings.npy"} <= names:
        return "embeddings"
    return "checkpoint" if "data.pkl" in names else None


def _text(head: bytes) -> str | None:
    """As files.read_text reads it; a letter that the head ends in is cut off."""
    if b"\0" in head and not head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return None
    encoding = "utf-16" if head.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig"
    for end in range(4):
        try:
            return head[: len(head) - end].decode(encoding)
        except UnicodeDecodeError:
            continue
    return None


def _of_json(text: str) -> Kind | None:
    """By the first keys of what eval and data_prep write."""
    if re.match(r'\s*\{\s*"format": 1,\s*"title": .*"protocols?": ', text, re.DOTALL):
        return "comparison" if '"models": [' in text else "report"
    said = re.match(r'\s*\{\s*"format": 1,\s*"kind": "(comparison|identification|megaface|ijb)\b', text)
    if said is not None:
        return "comparison" if '"models": [' in text else cast(Kind, said[1])
    return "alignment" if re.match(r'\s*\{\s*"settings": \{\s*"photos": ', text) else None


def _is_manifest(lines: Sequence[str]) -> bool:
    return {"path", "identity", "source", "template"} <= {*_csv(lines[0])}


def _is_landmarks(lines: Sequence[str]) -> bool:
    for line in lines:
        _, tab, rest = line.partition("\t")
        fields = rest.split()
        if not tab or len(fields) not in (10, 11) or not all(map(_is_number, fields[-10:])):
            return False
    return True


def _is_pairs(lines: Sequence[str]) -> bool:
    """With a header of columns, with LFW's counts, or with lines of two photos and a label."""
    header = {plain(field) for field in _csv(lines[0])} if len(lines) > 1 else set()
    if all(header & COLUMN_NAMES[column] for column in ("first", "second", "label")):
        return True
    counts = re.split(r"[\s,;]+", lines[0])
    if len(counts) <= 2 and all(map(is_count, counts)):
        lines = lines[1:]
        return bool(lines) and all(_is_of_lfw(line) for line in lines)
    return all(_is_two_photos(line) for line in lines) or all(_is_of_lfw(line) for line in lines)


def _is_two_photos(line: str) -> bool:
    """`path path label` with a fold or without, or `label path path`; a path alone may hold white space."""
    fields = _csv(line) if line.count(",") in (2, 3) else line.split("\t") if "\t" in line else line.split()
    fields = [field.strip().strip('"') for field in fields]
    if len(fields) == 3 and is_label(fields[0]):
        return _are_alike(*fields[1:])
    return len(fields) in (3, 4) and is_label(fields[2]) and _are_alike(*fields[:2])


def _are_alike(one: str, other: str) -> bool:
    """Whether both are images by their suffixes; the one half of `my photos/1.jpg` is not."""
    return all(Path(name).suffix.lower() in IMAGE_SUFFIXES for name in (one, other))


def _is_of_lfw(line: str) -> bool:
    """`name n m` or `name n name m`; no folder's name, and no image's, which other lists have."""
    if "/" in line or re.search(_SUFFIX, line, re.IGNORECASE):
        return False
    match line.split("\t") if "\t" in line else line.split():
        case [_, one, other] | [_, one, _, other]:
            return is_count(one) and is_count(other)
    return False


def _is_list(lines: Sequence[str]) -> bool:
    """Perhaps below a header."""
    below = lines[1:] or lines
    return all(_IMAGE_AND_WHOSE.fullmatch(line) for line in below)


_OF_LINES: dict[Kind, Callable[[Sequence[str]], bool]] = {
    "manifest": _is_manifest,
    "landmarks": _is_landmarks,
    "pairs": _is_pairs,
    "list": _is_list,
}


def _csv(line: str) -> list[str]:
    try:
        return next(csv.reader([line], skipinitialspace=True), [])
    except csv.Error:
        return []


def _is_number(text: str) -> bool:
    return re.fullmatch(r"[-+]?[0-9]*\.?[0-9]+(?:[eE][-+]?[0-9]+)?", text) is not None
