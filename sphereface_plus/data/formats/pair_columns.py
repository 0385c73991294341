"""Lines of two paths, a label and perhaps a fold, in whichever columns: the path formats of pairs.py."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path

from sphereface_plus.data.formats.keys import photo_key
from sphereface_plus.data.formats.pair_fields import (
    GENUINE,
    Line,
    PairsError,
    is_count,
    is_label,
    unexpected,
    word_of,
)

_PHOTO = ("path", "image", "img", "file", "filename", "photo")
COLUMN_NAMES = {
    "first": {"first", *(f"{word}1" for word in _PHOTO), *(f"{word}a" for word in _PHOTO)},
    "second": {"second", *(f"{word}2" for word in _PHOTO), *(f"{word}b" for word in _PHOTO)},
    "label": {
        *("label", "same", "issame", "sameperson", "issameperson", "genuine", "isgenuine"),
        *("match", "ismatch", "target", "y", "kind"),
    },
    "fold": {"fold", "folds", "split", "foldnumber"},
}
"""Names of columns, as `plain` writes them."""

Columns = Callable[[list[str]], tuple[str, str, str, str] | None]
"""The fields of a line to two paths, the label and the fold's number; None where they are not as many."""


def read_path_lines(path: Path, lines: Sequence[Line]) -> tuple[list[str], list[str], list[bool], list[int]]:
    """Photo keys of N pairs, whether they are genuine, and their folds, 0 .. Raises PairsError."""
    columns = _columns(path, lines)
    if columns is not None:
        lines = lines[1:]
        expected = "two paths, a label (1 or 0, yes or no, ...) and, where there is one, a fold"
    else:
        columns = _places(lines[0])
        expected = "`path path 1` (genuine) or `path path 0`"
    first, second, words, folds = [], [], [], []
    for line in lines:
        values = columns(line.fields)
        if values is None or not (values[0] and values[1] and is_label(values[2]) and is_count(values[3])):
            raise unexpected(path, line, expected)
        first.append(_key(values[0]))
        second.append(_key(values[1]))
        words.append(word_of(values[2]))
        folds.append(int(values[3]))
    kinds = [sorted({word for word in words if (word in GENUINE) == same}) for same in (True, False)]
    if not words:
        raise PairsError(f"{path}: the pairs file holds a header and no pair")
    if any(len(kind) > 1 for kind in kinds):
        raise PairsError(
            f"{path}: its labels are {', '.join(sorted(set(words)))}; a list uses one word for genuine pairs "
            "and one for impostor pairs"
        )
    number = {fold: index for index, fold in enumerate(sorted(set(folds)))}
    return first, second, [word in GENUINE for word in words], [number[fold] for fold in folds]


def _places(line: Line) -> Columns:
    """Where paths and label stand in lines like the first one: `path path label`, or `label path path`."""
    label_first = len(line.fields) == 3 and is_label(line.fields[0]) and not is_label(line.fields[2])

    def columns(fields: list[str]) -> tuple[str, str, str, str] | None:
        match fields:
            case [label, one, other] if label_first:
                return one, other, label, "0"
            case [one, other, label]:
                return one, other, label, "0"
            case [one, other, label, fold] if not label_first:
                return one, other, label, fold
        return None

    return columns


def _columns(path: Path, lines: Sequence[Line]) -> Columns | None:
    """As the first line names them; None where it is a pair itself. Raises PairsError for other names."""
    header = [plain(field) for field in lines[0].fields]
    found = {
        kind: [place for place, name in enumerate(header) if name in names]
        for kind, names in COLUMN_NAMES.items()
    }
    if not all(len(found[kind]) == 1 for kind in ("first", "second", "label")) or len(found["fold"]) > 1:
        if (
            len(lines) > 1
            and is_path_line(lines[1])
            and (not any(is_label(field) for field in lines[0].fields) or _only_names_the_label(lines))
        ):
            raise PairsError(
                f"{path}, line 1: names the columns {', '.join(lines[0].fields)[:200]}; expected path1, "
                "path2, label and, where the list has folds, fold"
            )
        return None
    one, other, label = (found[kind][0] for kind in ("first", "second", "label"))
    (fold,) = found["fold"] or (None,)

    def columns(fields: list[str]) -> tuple[str, str, str, str] | None:
        if len(fields) != len(header):
            return None
        return fields[one], fields[other], fields[label], "0" if fold is None else fields[fold]

    return columns


def _only_names_the_label(lines: Sequence[Line]) -> bool:
    """Whether the first line's label is a column's name, as `same` is: the lines below have another genuine
    word, and this one nowhere."""
    words = [[word_of(field) for field in line.fields if is_label(field)] for line in lines]
    below = {word for line in words[1:] for word in line}
    return (
        len(words[0]) == 1
        and words[0][0] in COLUMN_NAMES["label"]
        and words[0][0] not in below
        and bool(below & GENUINE)
    )


def is_path_line(line: Line) -> bool:
    """Whether it is `path path label`, with a fold or without, or `label path path`."""
    fields = line.fields
    return (len(fields) in (3, 4) and is_label(fields[2])) or (len(fields) == 3 and is_label(fields[0]))


def _key(path: str) -> str:
    return photo_key(path if "/" in path else path.replace("\\", "/"))  # of Windows


def plain(name: str) -> str:
    """A column's name without what writers vary: `Image_1` is image1."""
    return re.sub("[^a-z0-9]", "", name.lower())
