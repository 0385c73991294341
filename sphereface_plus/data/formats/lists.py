"""Lists of crops with their labels, a line a crop.

    path label                     any name but .lst; a path may hold spaces. Also with a comma or semicolon,
                                   and below a header whose last column is label, identity, id or class
    index <tab> label <tab> path   .lst of mxnet's im2rec
    aligned <tab> path <tab> label .lst of insightface; box and landmarks may follow, which crops do not need

Labels are whole numbers from 0. A byte order mark is no content.
"""

from __future__ import annotations

import re
from pathlib import Path

from sphereface_plus.errors import UserError
from sphereface_plus.files import read_text

_LABEL = re.compile(r"([0-9]{1,9})(\.0*)?")
_LINE = re.compile(r"(.*?\S)(?:\s*[,;]\s*|\s+)([0-9]{1,9})")
_HEADER = re.compile(r"(?:[,;\t ])\s*(?:label|identity|id|class)\s*$", re.IGNORECASE)


class ListError(UserError):
    """A list that cannot be used; the message names the file and the line."""


def read_list(path: str | Path) -> tuple[list[str], list[int]]:
    """Paths (N) as they stand in the list, and labels (N). Raises ListError."""
    path = Path(path)
    try:
        lines = read_text(path).splitlines()
    except (OSError, UnicodeDecodeError):
        raise ListError(f"{path}: cannot be read as a list of crops, a text of `path label` lines") from None
    names, labels = [], []
    for number, line in enumerate(lines, start=1):
        if not line.strip() or (number == 1 and _HEADER.search(line)):
            continue
        name, label = _from_lst(line) if path.suffix == ".lst" else _from_line(line)
        if not name or label is None or "\0" in name:
            expected = "`index <tab> label <tab> path` or `aligned <tab> path <tab> label`"
            raise ListError(
                f"{path}, line {number}: expected {expected if path.suffix == '.lst' else '`path label`'}, "
                f"label 0, 1, 2, ..., got {line[:200]!r}"
                f"{_hint(line)}"
            )
        names.append(name)
        labels.append(label)
    if not names:
        raise ListError(f"{path}: the list holds no crop")
    return names, labels


def _from_line(line: str) -> tuple[str, int | None]:
    match = _LINE.fullmatch(line.strip())
    return (match[1].strip('"'), int(match[2])) if match else ("", None)


def _hint(line: str) -> str:
    *path, label = re.split(r"[\s,;]+", line.strip())
    if not path or re.fullmatch(r"-?[0-9.]+", label):
        return ""
    return f"; if {label[:60]!r} is a name, number the people from 0, or put each one's crops into a folder"


def _from_lst(line: str) -> tuple[str, int | None]:
    fields = [field.strip() for field in line.split("\t")]
    if len(fields) == 3 and _label(fields[1]) is not None:
        return fields[2], _label(fields[1])
    if len(fields) >= 3 and fields[0] in ("0", "1"):
        return fields[1], _label(fields[2])
    return "", None


def _label(text: str) -> int | None:
    match = _LABEL.fullmatch(text)
    return int(match[1]) if match else None
