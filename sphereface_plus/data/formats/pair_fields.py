"""Lines of a pairs list into fields, and the words by which lists say that two photos are of one person.

A line is divided by tabs where it has any, by commas or semicolons in a CSV (with its quotes), else by white
space. Names may hold white space between tabs, commas or quotes, and where they end in an image's suffix, as
`Ann Lee/1.jpg Ann Lee/2.jpg 1` has them.
"""

from __future__ import annotations

import csv
import io
import re
from dataclasses import dataclass
from pathlib import Path

from sphereface_plus.data.formats.keys import IMAGE_SUFFIXES
from sphereface_plus.errors import UserError
from sphereface_plus.files import text_of

GENUINE = frozenset(("1", "yes", "y", "true", "same", "genuine", "match", "positive"))
IMPOSTOR = frozenset(
    (
        *("0", "-1", "no", "n", "false", "different", "diff", "impostor", "imposter"),
        *("mismatch", "nonmatch", "negative"),
    )
)
MAX_LINE = 4096
"""Longest line in which paths are told apart by their suffixes, which takes the square of its length."""
_SUFFIXES = "|".join(re.escape(suffix) for suffix in sorted(IMAGE_SUFFIXES, key=len, reverse=True))
_PATH_OR_WORD = re.compile(rf"\S.*?(?:{_SUFFIXES})(?=\s|$)|\S+", re.IGNORECASE)


class PairsError(UserError):
    """A pairs file that cannot be used; the message names file and line and says what was expected."""


@dataclass(frozen=True)
class Line:
    """A line that is not empty."""

    number: int
    text: str
    fields: list[str]
    """Stripped; white space within a name stays."""


def read_lines(path: Path) -> list[Line]:
    """The lines of a list, at least one. Raises PairsError."""
    text = text_of(path, PairsError, "a list of pairs, it is not text")
    lines = [(number, line.strip()) for number, line in enumerate(text.splitlines(), start=1) if line.strip()]
    if not lines:
        raise PairsError(f"{path}: the pairs file is empty")
    separator = _csv_separator(path, [line for _, line in lines[:2]])
    if separator is None:
        return [Line(number, line, _fields(line)) for number, line in lines]
    return _csv_lines(path, text, separator)


def is_count(text: str) -> bool:
    """Whether it is a number of a length that Python reads and that a fold, pair or photo has."""
    return re.fullmatch("[0-9]{1,9}", text) is not None


def word_of(label: str) -> str:
    """A label as the sets above have it: `Yes` is yes, `1.0` and `+1` are 1."""
    label = label.lower()
    return match[1] if (match := re.fullmatch(r"\+?(-?[01])(?:\.0*)?", label)) else label


def is_label(text: str) -> bool:
    return word_of(text) in GENUINE or word_of(text) in IMPOSTOR


def unexpected(path: Path, line: Line, expected: str) -> PairsError:
    return PairsError(f"{path}, line {line.number}: expected {expected}, got {line.text[:200]!r}")


def _csv_separator(path: Path, first_two: list[str]) -> str | None:
    """`,` or `;` of a CSV; None for other lists, whose names may hold commas (`Sammy_Davis,_Jr`)."""
    first = first_two[0]
    for separator in ",;":
        if "\t" in first:
            continue
        for line in first_two:  # a header says less than the line below it; LFW's first line is `10,300`
            fields = [field.strip().strip('"') for field in line.split(separator)]
            if len(fields) < 3 or not (separator in first or is_count(first)):
                continue
            # One field is a label or a number by itself, or nothing else than the separator divides the line.
            whole = any(is_label(field) or is_count(field) for field in fields) or len(line.split()) == 1
            if whole or path.suffix.lower() == ".csv":
                return separator
    return None


def _csv_lines(path: Path, text: str, separator: str) -> list[Line]:
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=separator, skipinitialspace=True, strict=True)
    lines = []
    try:
        for fields in rows:
            fields = [field.strip() for field in fields]
            if any(fields):
                lines.append(Line(rows.line_num, separator.join(fields), fields))
    except csv.Error as error:
        raise PairsError(f"{path}, line {rows.line_num}: is not a CSV ({error})") from None
    return lines


def _fields(line: str) -> list[str]:
    if "\t" in line:
        return [field.strip() for field in line.split("\t")]
    if '"' in line:
        try:
            (fields,) = csv.reader([line], delimiter=" ", skipinitialspace=True, strict=True)
        except (csv.Error, ValueError):
            return line.split()
        return [field for field in fields if field]
    words = line.split()
    with_fold = len(words) == 4 and is_label(words[2]) and is_count(words[3])
    if len(words) <= 3 or with_fold or len(line) > MAX_LINE:
        return words
    if is_label(words[0]) and not any(is_label(word) for word in words[-2:]):
        return [words[0], *_PATH_OR_WORD.findall(line[len(words[0]) :].lstrip())]
    return _PATH_OR_WORD.findall(line)
