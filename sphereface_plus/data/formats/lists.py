"""Lists of crops or photos with their labels, a line an image.

    path label                     any name but .lst; a path may hold spaces. Also with a comma, semicolon or
                                   tab, and below a header whose last column is label, identity, id, class,
                                   person or name
    index <tab> label <tab> path   .lst of mxnet's im2rec
    aligned <tab> path <tab> label .lst of insightface; box and landmarks may follow, which crops do not need

Labels are whole numbers from 0; of photos to align they may be names. A name is what follows the image's
suffix, or else the last word. A byte order mark is not content.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

from sphereface_plus.data.formats.keys import IMAGE_SUFFIXES
from sphereface_plus.data.formats.kinds import refusal
from sphereface_plus.errors import UserError
from sphereface_plus.files import text_of

_LABEL = re.compile(r"([0-9]{1,9})(\.0*)?")
_BETWEEN = r"(?:\s*[,;]\s*|\s+)"
_NUMBERED = re.compile(rf"(.*?\S){_BETWEEN}([0-9]{{1,9}})")
_SUFFIX = "(?:" + "|".join(map(re.escape, sorted(IMAGE_SUFFIXES))) + ")"
_NAMED = re.compile(rf"(.*\S{_SUFFIX}\"?){_BETWEEN}(\S.*)", re.IGNORECASE)
_LAST_WORD = re.compile(rf"(.*?\S){_BETWEEN}([^\s,;]+)")
_HEADER = re.compile(r"(?:[,;\t ])\s*(?:label|identity|id|class|person|name)\s*$", re.IGNORECASE)
_OF_AN_IMAGE = re.compile(rf"{_SUFFIX}\b", re.IGNORECASE)


class ListError(UserError):
    """A list that cannot be used; the message names the file and the line."""


def read_list(path: str | Path) -> tuple[list[str], list[int]]:
    """Paths (N) as they stand in the list, and labels (N). Raises ListError."""
    path = Path(path)
    names, labels = [], []
    for number, line, name, label in _rows(path, _numbered):
        if not name or not label:
            raise _unexpected(path, number, line, ", label 0, 1, 2, ...", _hint(line))
        names.append(name)
        labels.append(int(label))
    if not names:
        raise ListError(f"{path}: the list holds no crop")
    return names, labels


def read_named_list(path: str | Path) -> Iterator[tuple[int, str, str]]:
    """Number of the line, path and label, as text, of each image in the list. Raises ListError."""
    path = Path(path)
    for number, line, name, label in _rows(path, _named):
        if not name or not label:
            raise _unexpected(path, number, line)
        yield number, name, label


def _rows(path: Path, parted: Callable[[str], tuple[str, str]]) -> Iterator[tuple[int, str, str, str]]:
    """Number and text of the lines, and the path and label in them, empty where they are not found."""
    if (words := refusal(path, "a list of images is needed, `path label` lines", takes=["list"])) is not None:
        raise ListError(words)
    lines = text_of(path, ListError, "a list of images, a text of `path label` lines").splitlines()
    for number, line in enumerate(lines, start=1):
        header = number == 1 and _HEADER.search(line) and not _OF_AN_IMAGE.search(line)
        if line.strip() and not header:
            name, label = _from_lst(line) if path.suffix == ".lst" else parted(line.strip())
            yield number, line, "" if "\0" in name else name.strip('"'), label.strip('"')


def _numbered(line: str) -> tuple[str, str]:
    match = _NUMBERED.fullmatch(line)
    return (match[1], match[2]) if match else ("", "")


def _named(line: str) -> tuple[str, str]:
    match = _NAMED.fullmatch(line) or _LAST_WORD.fullmatch(line)
    return (match[1], match[2]) if match else ("", "")


def _from_lst(line: str) -> tuple[str, str]:
    fields = [field.strip() for field in line.split("\t")]
    if len(fields) == 3 and _label(fields[1]):
        return fields[2], _label(fields[1])
    if len(fields) >= 3 and fields[0] in ("0", "1"):
        return fields[1], _label(fields[2])
    return "", ""


def _label(text: str) -> str:
    match = _LABEL.fullmatch(text)
    return match[1] if match else ""


def _unexpected(path: Path, number: int, line: str, labels: str = "", hint: str = "") -> ListError:
    lst = "`index <tab> label <tab> path` or `aligned <tab> path <tab> label`"
    expected = lst if path.suffix == ".lst" else "`path label`"
    return ListError(f"{path}, line {number}: expected {expected}{labels}, got {line[:200]!r}{hint}")


def _hint(line: str) -> str:
    *path, label = re.split(r"[\s,;]+", line.strip())
    if not path or re.fullmatch(r"-?[0-9.]+", label):
        return ""
    return f"; if {label[:60]!r} is a name, number the people from 0, or put each one's crops into a folder"
