"""Verification pairs: which photos are compared, which pairs are genuine, and which fold each belongs to.

Formats, told apart by the first line, and CFP by being a folder:
    LFW view 2    `10 300`: folds, and pairs of each kind in a fold; then, fold by fold, lines `name n m`
                  (genuine) and lines `name n name m` (impostor)
    LFW view 1    `500`: pairs of each kind; lines as above, one fold
    CALFW, CPLFW  two lines a pair, `name.jpg fold` (genuine, fold 1..10, CPLFW's always 1) or `name.jpg 0`
    OpenSphere    lines `1 path path` (genuine) or `0 path path`; one fold
    any other     lines `path path 1` (genuine) or `path path 0`, with tabs where paths hold spaces; one fold.
                  The lists of AgeDB-30 and CFP-FP that go with aligned crops are of this kind
    CFP           the folder Protocol: Pair_list_F.txt and Pair_list_P.txt, lines `number path`, and
                  Split/FP/01..10/{same,diff}.txt, lines `i,j`: frontal image i, profile image j; its folds
CALFW's, CPLFW's and CFP's are known here from their documentation and from other readers, not from the files.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sphereface_plus.data.keys import photo_key


class PairsError(ValueError):
    """A pairs file that cannot be used; the message names file and line and says what was expected."""


@dataclass(frozen=True)
class Pairs:
    """N pairs in the order of their file."""

    first: list[str]
    """Photo keys (data/keys.py), N."""
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
    """The pairs of a file, or CFP's folder, in one of the formats. Raises PairsError."""
    path = Path(path)
    if path.is_dir():
        return read_cfp(path)
    lines = _lines(path)
    header = lines[0][1].split()
    if len(header) <= 2 and all(is_count(token) for token in header):
        folds = int(header[0]) if len(header) == 2 else 1
        return _read_lfw(path, lines[1:], folds, count=int(header[-1]))
    if len(header) == 2 and is_count(header[1]):
        return _read_calfw(path, lines)
    if len(header) == 3 and header[0] in ("0", "1") and header[2] not in ("0", "1"):
        lines = [(number, " ".join([*line.split()[1:], line.split()[0]])) for number, line in lines]
    return _read_paths(path, lines)


def read_cfp(protocol: Path, kind: str = "FP") -> Pairs:
    """The pairs of CFP's folder Protocol, frontal-profile (FP) or frontal-frontal (FF). Raises PairsError.

    Photo keys are the paths that the lists hold without the leading `../`: `Data/Images/001/frontal/01`.
    """
    frontal = _numbered(protocol / "Pair_list_F.txt")
    others = _numbered(protocol / "Pair_list_P.txt") if kind == "FP" else frontal
    first, second, genuine, folds = [], [], [], []
    for fold in range(10):
        for name in ("same", "diff"):
            path = protocol / "Split" / kind / f"{fold + 1:02d}" / f"{name}.txt"
            for number, line in _lines(path):
                one, _, other = (part.strip() for part in line.partition(","))
                if one not in frontal or other not in others:
                    raise PairsError(
                        f"{path}, line {number}: expected two numbers of the lists, got {line[:200]!r}"
                    )
                first.append(frontal[one])
                second.append(others[other])
                genuine.append(name == "same")
                folds.append(fold)
    return Pairs(first, second, np.array(genuine), np.array(folds))


def _numbered(path: Path) -> dict[str, str]:
    """Number -> photo key of the lines `number path`."""
    keys = {}
    for number, line in _lines(path):
        key, _, name = line.partition(" ")
        if not key.isdecimal() or not name.strip():
            raise PairsError(f"{path}, line {number}: expected `number path`, got {line[:200]!r}")
        keys[key] = photo_key(name.strip().removeprefix("../"))
    return keys


def is_count(text: str) -> bool:
    """Whether it is a number of a length that Python reads and that a fold, pair or photo has."""
    return re.fullmatch("[0-9]{1,9}", text) is not None


def _lines(path: Path) -> list[tuple[int, str]]:
    """(number, line) of the lines that are not empty."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise PairsError(f"{path}: the pairs file cannot be read ({error.strerror})") from None
    except UnicodeDecodeError:
        raise PairsError(f"{path}: is no pairs file, it is not text") from None
    lines = [(number, line.strip()) for number, line in enumerate(text.splitlines(), start=1) if line.strip()]
    if not lines:
        raise PairsError(f"{path}: the pairs file is empty")
    return lines


def pairs_hash(pairs: Pairs) -> str:
    """sha256 of what is compared, so that reports can tell whether they are about the same pairs."""
    digest = hashlib.sha256()
    for first, second, genuine, fold in zip(
        pairs.first, pairs.second, pairs.genuine, pairs.fold, strict=True
    ):
        digest.update(f"{first}\t{second}\t{int(genuine)}\t{int(fold)}\n".encode())
    return digest.hexdigest()


def _read_lfw(path: Path, lines: list[tuple[int, str]], folds: int, count: int) -> Pairs:
    if not lines or len(lines) != folds * 2 * count:
        raise PairsError(
            f"{path}: by its first line it has {folds} x ({count} genuine + {count} impostor) pairs, "
            f"{folds * 2 * count} lines, got {len(lines)}"
        )
    index = np.arange(len(lines))
    genuine, fold = index % (2 * count) < count, index // (2 * count)
    first, second = [], []
    for (number, line), same in zip(lines, genuine, strict=True):
        match line.split():
            case [name, n, m] if same and is_count(n) and is_count(m):
                other = name
            case [name, n, other, m] if not same and is_count(n) and is_count(m):
                pass
            case _:
                expected = "`name n m` (genuine)" if same else "`name n name m` (impostor)"
                raise PairsError(f"{path}, line {number}: expected {expected}, got {line[:200]!r}")
        first.append(f"{name}/{name}_{int(n):04d}")
        second.append(f"{other}/{other}_{int(m):04d}")
    return Pairs(first, second, genuine, fold)


def _read_calfw(path: Path, lines: list[tuple[int, str]]) -> Pairs:
    names, marks = [], []
    for number, line in lines:
        match line.split():
            case [name, mark] if is_count(mark) and int(mark) <= 10:
                names.append(photo_key(name))
                marks.append(int(mark))
            case _:
                raise PairsError(f"{path}, line {number}: expected `name.jpg fold`, got {line[:200]!r}")
    if len(names) % 2 or marks[0::2] != marks[1::2]:
        raise PairsError(f"{path}: each two lines are a pair with the same second number, and some are not")
    mark = np.array(marks[0::2])
    genuine, fold = mark > 0, mark - 1
    if len(np.unique(mark[genuine])) == 1:  # CPLFW: the file's order is all there is
        fold[genuine] = _stretches(int(genuine.sum()))
    fold[~genuine] = _stretches(int((~genuine).sum()))
    return Pairs(names[0::2], names[1::2], genuine, fold)


def _stretches(count: int) -> np.ndarray:
    """Folds 0 .. 9 (count,) as ten stretches of equal length, or nearly."""
    return np.arange(count) * 10 // max(count, 1)


def _read_paths(path: Path, lines: list[tuple[int, str]]) -> Pairs:
    first, second, genuine = [], [], []
    for number, line in lines:
        match [token.strip() for token in (line.split("\t") if "\t" in line else line.split())]:
            case [one, other, ("0" | "1") as same]:
                first.append(photo_key(one))
                second.append(photo_key(other))
                genuine.append(same == "1")
            case _:
                raise PairsError(
                    f"{path}, line {number}: expected `path path 1` (genuine) or `path path 0`, "
                    f"got {line[:200]!r}"
                )
    return Pairs(first, second, np.array(genuine), np.zeros(len(lines), dtype=np.int64))
