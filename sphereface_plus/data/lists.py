"""Lists of crops with their labels, a line a crop.

    path label                     any name but .lst; a path may hold spaces
    index <tab> label <tab> path   .lst of mxnet's im2rec
    aligned <tab> path <tab> label .lst of insightface; box and landmarks may follow, which crops do not need

Labels are whole numbers from 0.
"""

from __future__ import annotations

import re
from pathlib import Path

_LABEL = re.compile(r"([0-9]{1,9})(\.0*)?")


class ListError(ValueError):
    """A list that cannot be used; the message names the file and the line."""


def read_list(path: str | Path) -> tuple[list[str], list[int]]:
    """Paths (N) as they stand in the list, and labels (N). Raises ListError."""
    path = Path(path)
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        raise ListError(f"{path}: cannot be read as a list of crops, a text of `path label` lines") from None
    names, labels = [], []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        name, label = _from_lst(line) if path.suffix == ".lst" else _from_line(line)
        if not name or label is None or "\0" in name:
            expected = "`index <tab> label <tab> path` or `aligned <tab> path <tab> label`"
            raise ListError(
                f"{path}, line {number}: expected {expected if path.suffix == '.lst' else '`path label`'}, "
                f"label 0, 1, 2, ..., got {line[:200]!r}"
            )
        names.append(name)
        labels.append(label)
    if not names:
        raise ListError(f"{path}: the list holds no crop")
    return names, labels


def _from_line(line: str) -> tuple[str, int | None]:
    *name, label = line.rsplit(maxsplit=1)
    return "".join(name).strip(), int(label) if re.fullmatch("[0-9]{1,9}", label) else None


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
