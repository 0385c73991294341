"""Verification pairs: which photos are compared, which pairs are genuine, and which fold each belongs to.

Three formats, told apart by the first line:
    LFW view 2   `10 300`: folds, and pairs of each kind in a fold; then, fold by fold, lines `name n m`
    (genuine)
                 and lines `name n name m` (impostor)
    LFW view 1   `500`: pairs of each kind; lines as above, one fold
    any other    lines `path path 1` (genuine) or `path path 0`, with tabs where paths hold spaces; one fold
"""

from __future__ import annotations

import hashlib
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
    """The pairs of a file in one of the three formats. Raises PairsError."""
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise PairsError(f"{path}: the pairs file cannot be read ({error.strerror})") from None
    except UnicodeDecodeError:
        raise PairsError(f"{path}: is no pairs file, it is not text") from None
    lines = [(number, line.strip()) for number, line in enumerate(text.splitlines(), start=1) if line.strip()]
    if not lines:
        raise PairsError(f"{path}: the pairs file is empty")
    header = lines[0][1].split()
    if len(header) <= 2 and all(token.isdecimal() for token in header):
        folds = int(header[0]) if len(header) == 2 else 1
        return _read_lfw(path, lines[1:], folds, count=int(header[-1]))
    return _read_paths(path, lines)


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
            case [name, n, m] if same and n.isdecimal() and m.isdecimal():
                other = name
            case [name, n, other, m] if not same and n.isdecimal() and m.isdecimal():
                pass
            case _:
                expected = "`name n m` (genuine)" if same else "`name n name m` (impostor)"
                raise PairsError(f"{path}, line {number}: expected {expected}, got {line!r}")
        first.append(f"{name}/{name}_{int(n):04d}")
        second.append(f"{other}/{other}_{int(m):04d}")
    return Pairs(first, second, genuine, fold)


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
                    f"{path}, line {number}: expected `path path 1` (genuine) or `path path 0`, got {line!r}"
                )
    return Pairs(first, second, np.array(genuine), np.zeros(len(lines), dtype=np.int64))
