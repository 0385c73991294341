"""Verification pairs: which photos are compared, which pairs are genuine, and which fold each belongs to.

The one reader of pairs lists. Formats, told apart by the first lines:
    LFW view 2    `10 300`: folds, and pairs of each kind in a fold; then, fold by fold, lines `name n m`
                  (genuine) and lines `name n name m` (impostor)
    LFW view 1    `500`: pairs of each kind; lines as above, one fold
    LFW, no head  the same lines without a count before them, in any order, also as CSV below the header
                  `name,imagenum1,imagenum2`, or `name,imagenum1,name,imagenum2` of impostor pairs; one fold
    CALFW, CPLFW  two lines a pair, `name.jpg fold` (genuine, fold 1..10, CPLFW's always 1) or `name.jpg 0`
    paths         lines `path path label`, `path path label fold`, or OpenSphere's `label path path`. The
                  lists of AgeDB-30 and CFP-FP that go with aligned crops are of this kind
    columns       the first line names the columns, in any order and with others between them: path1, path2
                  (or image1, file1, first, ...), label (or same, genuine, ...) and, where there are any, fold
    CFP           the folder Protocol: Pair_list_F.txt and Pair_list_P.txt, lines `number path`, and
                  Split/FP/01..10/{same,diff}.txt, lines `i,j`: frontal image i, profile image j; its folds.
                  Or one of Protocol/Split/FP and Protocol/Split/FF, frontal-profile and frontal-frontal
    folder        of lists without folds: each file is a fold, in the order of their names and numbers

Labels are 1 and 0, 1 and -1, yes and no, true and false, same and different, genuine and impostor, of which a
list uses one. How a line is divided, and where names may hold white space: pair_fields.py. A byte order mark
is not content. A list without folds is one fold, 0. CALFW's, CPLFW's and CFP's are known here from their
documentation and from other readers, not from the files.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sphereface_plus.data.formats.keys import photo_key
from sphereface_plus.data.formats.kinds import refusal
from sphereface_plus.data.formats.lfw_lines import may_end_in_a_label, names_of, photo_key_of
from sphereface_plus.data.formats.pair_columns import is_path_line, plain, read_path_lines
from sphereface_plus.data.formats.pair_fields import (
    Line,
    PairsError,
    is_count,
    read_lines,
    unexpected,
)

__all__ = ["Pairs", "PairsError", "is_count", "pairs_hash", "read_cfp", "read_pairs"]

CFP_LISTS = ("Pair_list_F.txt", "Pair_list_P.txt")
_NOT_OF_CROPS = " (of a list of crops, `path label`, `python -m data_prep pairs` makes pairs)"
LIST_SUFFIXES = frozenset((".txt", ".csv", ".tsv", ".list"))


@dataclass(frozen=True)
class Pairs:
    """N pairs in the order of their file."""

    first: list[str]
    """Photo keys (data/formats/keys.py), N."""
    second: list[str]
    """Photo keys, N."""
    genuine: np.ndarray
    """bool (N,): the same identity."""
    fold: np.ndarray
    """int64 (N,): 0 .. folds - 1; all 0 where the file has no folds."""

    def __len__(self) -> int:
        return len(self.first)

    @property
    def photos(self) -> list[str]:
        """The distinct photo keys, sorted."""
        return sorted({*self.first, *self.second})


def read_pairs(path: str | Path) -> Pairs:
    """The pairs of a file or folder in one of the formats. Raises PairsError."""
    path = Path(path)
    needed = "a list of pairs is needed, which `python -m data_prep pairs` makes of crops"
    if (words := refusal(path, needed, takes=["pairs", "list"])) is not None:
        raise PairsError(words)
    if path.is_dir():
        lists = sorted((file for file in path.iterdir() if _is_list(file)), key=_by_number)
        if (path / CFP_LISTS[0]).is_file():
            return read_cfp(path)
        if path.name in ("FP", "FF") and (path.parents[1] / CFP_LISTS[0]).is_file():
            return read_cfp(path.parents[1], path.name)
        if not lists:
            raise PairsError(f"{path}: is a folder without lists; {needed}")
        return _read_folder(lists)
    lines = read_lines(path)
    counts = re.split(r"[\s,;]+", lines[0].text)
    if len(counts) <= 2 and all(is_count(count) for count in counts):
        folds = int(counts[0]) if len(counts) == 2 else 1
        return _read_lfw(path, lines[1:], folds, count=int(counts[-1]))
    if len(lines[0].fields) == 2 and is_count(lines[0].fields[1]):
        return _read_calfw(path, lines)
    header = [plain(field) for field in lines[0].fields]
    if header[:3] == ["name", "imagenum1", "imagenum2"]:
        return _read_names(path, lines[1:])
    places = [
        place
        for kind in ("name", "imagenum")
        for place, name in enumerate(header)
        if name.rstrip("12") == kind
    ]
    if len(places) == 4:
        return _read_mismatches(path, lines[1:], places)
    if all(names_of(line, genuine=None) for line in lines) and not all(is_path_line(line) for line in lines):
        return _read_names(path, lines)
    first, second, genuine, fold = read_path_lines(path, lines)
    return Pairs(first, second, np.array(genuine), np.array(fold, dtype=np.int64))


def read_cfp(protocol: Path, kind: str = "FP") -> Pairs:
    """The pairs of CFP's folder Protocol, frontal-profile (FP) or frontal-frontal (FF). Raises PairsError.

    Photo keys are the paths that the lists hold without the leading `../`: `Data/Images/001/frontal/01`.
    """
    frontal = _numbered(protocol / CFP_LISTS[0])
    others = _numbered(protocol / CFP_LISTS[1]) if kind == "FP" else frontal
    first, second, genuine, folds = [], [], [], []
    for fold in range(10):
        for name in ("same", "diff"):
            path = protocol / "Split" / kind / f"{fold + 1:02d}" / f"{name}.txt"
            for line in read_lines(path):
                one, _, other = (part.strip() for part in line.text.partition(","))
                if one not in frontal or other not in others:
                    raise unexpected(path, line, "two numbers of the lists")
                first.append(frontal[one])
                second.append(others[other])
                genuine.append(name == "same")
                folds.append(fold)
    return Pairs(first, second, np.array(genuine), np.array(folds))


def _numbered(path: Path) -> dict[str, str]:
    """Number -> photo key of the lines `number path`."""
    keys = {}
    for line in read_lines(path):
        key, _, name = line.text.partition(" ")
        if not key.isdecimal() or not name.strip():
            raise unexpected(path, line, "`number path`")
        keys[key] = photo_key(name.strip().removeprefix("../"))
    return keys


def pairs_hash(pairs: Pairs) -> str:
    """sha256 of what is compared, so that reports can tell whether they are about the same pairs."""
    digest = hashlib.sha256()
    for first, second, genuine, fold in zip(
        pairs.first, pairs.second, pairs.genuine, pairs.fold, strict=True
    ):
        digest.update(f"{first}\t{second}\t{int(genuine)}\t{int(fold)}\n".encode())
    return digest.hexdigest()


def _read_folder(lists: Sequence[Path]) -> Pairs:
    """The lists of a folder, each of which is a fold; a list that is there alone may have folds."""
    parts = [read_pairs(path) for path in lists]
    if len(parts) == 1:
        return parts[0]
    for path, part in zip(lists, parts, strict=True):
        if part.fold.any():
            raise PairsError(
                f"{path}: has folds of its own, but is one of {len(lists)} lists of its folder, each of "
                "which would be a fold; give this list by itself"
            )
    return Pairs(
        [key for part in parts for key in part.first],
        [key for part in parts for key in part.second],
        np.concatenate([part.genuine for part in parts]),
        np.repeat(np.arange(len(parts)), [len(part) for part in parts]),
    )


def _read_lfw(path: Path, lines: Sequence[Line], folds: int, count: int) -> Pairs:
    if not lines or len(lines) != folds * 2 * count:
        raise PairsError(
            f"{path}: by its first line it has {folds} x ({count} genuine + {count} impostor) pairs, "
            f"{folds * 2 * count} lines, got {len(lines)}"
        )
    index = np.arange(len(lines))
    genuine, fold = index % (2 * count) < count, index // (2 * count)
    keys = []
    for line, same in zip(lines, genuine, strict=True):
        names = names_of(line, genuine=bool(same))
        if names is None:
            raise unexpected(path, line, "`name n m` (genuine)" if same else "`name n name m` (impostor)")
        keys.append(names[:2])
    return Pairs([one for one, _ in keys], [other for _, other in keys], genuine, fold)


def _read_names(path: Path, lines: Sequence[Line]) -> Pairs:
    """LFW's lines without counts before them."""
    found = []
    for line in lines:
        names = names_of(line, genuine=None)
        if names is None:
            raise unexpected(path, line, "`name n m` (genuine) or `name n name m` (impostor)")
        found.append(names)
    if not found:
        raise PairsError(f"{path}: the pairs file holds a header and no pair")
    first, second, genuine = (list(column) for column in zip(*found, strict=True))
    labelled = not any(genuine)  # of a label in every line, or of impostor pairs alone
    for line, one, other, same in zip(lines, first, second, genuine, strict=True):
        if not same and may_end_in_a_label(line, one, other, labelled):
            raise PairsError(
                f"{path}, line {line.number}: {line.text[:200]!r} may be a pair of {one!r} and {other!r}, or "
                "a line of LFW's with a label after it; leave the label out (`name n m` is genuine, `name n "
                "name m` impostor), or write `path path label`"
            )
    return Pairs(first, second, np.array(genuine), np.zeros(len(found), dtype=np.int64))


def _read_mismatches(path: Path, lines: Sequence[Line], places: Sequence[int]) -> Pairs:
    """Impostor pairs as Kaggle's CSV of LFW has them. places: of two names and two numbers in a line."""
    first, second = [], []
    for line in lines:
        name, other, *numbers = (line.fields[place] if place < len(line.fields) else "" for place in places)
        if not (name and other and all(map(is_count, numbers))):
            raise unexpected(path, line, "two names and two numbers, in the columns that line 1 names")
        first.append(photo_key_of(name, numbers[0]))
        second.append(photo_key_of(other, numbers[1]))
    if not lines:
        raise PairsError(f"{path}: the pairs file holds a header and no pair")
    return Pairs(first, second, np.zeros(len(lines), dtype=bool), np.zeros(len(lines), dtype=np.int64))


def _read_calfw(path: Path, lines: Sequence[Line]) -> Pairs:
    names, marks = [], []
    for line in lines:
        match line.fields:
            case [name, mark] if is_count(mark) and int(mark) <= 10:
                names.append(photo_key(name))
                marks.append(int(mark))
            case _:
                raise unexpected(path, line, f"`name.jpg fold`{_NOT_OF_CROPS}")
    if len(names) % 2 or marks[0::2] != marks[1::2]:
        raise PairsError(
            f"{path}: each two lines are a pair with the same second number, and some are not{_NOT_OF_CROPS}"
        )
    mark = np.array(marks[0::2])
    genuine, fold = mark > 0, mark - 1
    if len(np.unique(mark[genuine])) == 1:  # CPLFW: the file's order is all there is
        fold[genuine] = _stretches(int(genuine.sum()))
    fold[~genuine] = _stretches(int((~genuine).sum()))
    return Pairs(names[0::2], names[1::2], genuine, fold)


def _stretches(count: int) -> np.ndarray:
    """Folds 0 .. 9 (count,) as ten stretches of equal length, or nearly."""
    return np.arange(count) * 10 // max(count, 1)


def _is_list(path: Path) -> bool:
    return path.suffix.lower() in LIST_SUFFIXES and path.is_file() and not path.name.startswith(".")


def _by_number(path: Path) -> list[tuple[int, str]]:
    """fold2 before fold10."""
    return [(int(part), "") if is_count(part) else (-1, part) for part in re.split("([0-9]+)", path.name)]
