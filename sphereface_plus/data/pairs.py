"""Verification pairs: which photos are compared, which pairs are genuine, and which fold each pair belongs to.

Three formats, told apart by the first line:
    LFW view 2   `10<TAB>300`: folds and pairs of each kind in one; then `name n m` (genuine), `name n name m` (impostor)
    LFW view 1   `500`: pairs of each kind; one fold
    any other    `path path 1` or `path path 0`, by tabs where paths hold spaces; one fold
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sphereface_plus.data.keys import photo_key


class PairsError(ValueError):
    """A pairs file that cannot be used; the message names the file, the line and what was expected."""


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
        """Distinct photo keys, sorted."""
        return sorted({*self.first, *self.second})


def read_pairs(path: str | Path) -> Pairs:
    """The pairs of a file in one of the three formats above. Raises PairsError."""
    path = Path(path)
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise PairsError(f"{path}: pairs file cannot be read ({error.strerror})") from None
    except UnicodeDecodeError:
        raise PairsError(f"{path}: is not a text file of pairs") from None
    numbered = [(number, line.strip()) for number, line in enumerate(lines, start=1) if line.strip()]
    if not numbered:
        raise PairsError(f"{path}: the pairs file is empty")
    header = numbered[0][1].split()
    if len(header) <= 2 and all(token.isdecimal() for token in header):
        return _read_lfw(path, numbered[1:], *([1] * (2 - len(header))), *map(int, header))
    return _read_paths(path, numbered)


def pairs_hash(pairs: Pairs) -> str:
    """sha256 of what is compared, so that reports on the same pairs say so, whatever file they came from."""
    digest = hashlib.sha256()
    for first, second, genuine, fold in zip(
        pairs.first, pairs.second, pairs.genuine, pairs.fold, strict=True
    ):
        digest.update(f"{first}\t{second}\t{int(genuine)}\t{int(fold)}\n".encode())
    return digest.hexdigest()


def _read_lfw(path: Path, lines: list[tuple[int, str]], folds: int, count: int) -> Pairs:
    if folds * count == 0 or len(lines) != folds * 2 * count:
        raise PairsError(
            f"{path}: the header says {folds} fold(s) of {count} + {count} pairs, so {folds * 2 * count} lines; "
            f"the file has {len(lines)}"
        )
    first, second = [], []
    for index, (number, line) in enumerate(lines):
        tokens = line.split()
        genuine = index % (2 * count) < count
        numbers = tokens[1:] if genuine else tokens[1::2]
        if len(tokens) != (3 if genuine else 4) or not all(token.isdecimal() for token in numbers):
            expected = "`name n m` (genuine)" if genuine else "`name n name m` (impostor)"
            raise PairsError(f"{path}:{number}: expected {expected}, got {line!r}")
        first.append(f"{tokens[0]}/{tokens[0]}_{int(numbers[0]):04d}")
        second.append(
            f"{tokens[-2 if not genuine else 0]}/{tokens[-2 if not genuine else 0]}_{int(numbers[1]):04d}"
        )
    position = np.arange(len(lines))
    return Pairs(first, second, position % (2 * count) < count, position // (2 * count))


def _read_paths(path: Path, lines: list[tuple[int, str]]) -> Pairs:
    first, second, genuine = [], [], []
    for number, line in lines:
        tokens = line.split("\t") if "\t" in line else line.split()
        if len(tokens) != 3 or tokens[2].strip() not in ("0", "1"):
            raise PairsError(
                f"{path}:{number}: expected `path path 1` (genuine) or `path path 0`, got {line!r}"
            )
        first.append(photo_key(tokens[0].strip()))
        second.append(photo_key(tokens[1].strip()))
        genuine.append(tokens[2].strip() == "1")
    return Pairs(first, second, np.array(genuine), np.zeros(len(lines), dtype=np.int64))
