"""The names of a .rec's images: `<name>.rec.csv` beside it, whose last line says of which records they are.

    path,identity
    Ann/1.jpg,Ann
    # records 9c0e...

A packing that is killed while its files take their places may leave a new .rec beside the names of the one
before. Without the last line, as in older files, only the number of images and of identities is compared.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import numpy as np

_LAST_LINE = re.compile(rb'(?:^|(?<=\n))("?)# records ([0-9a-f]{64})\1[,;]*\s*\Z')  # spreadsheets add commas


def names_of_rec(path: Path) -> Path:
    """Where the names of a .rec lie, if they are known."""
    return path.with_name(f"{path.name}.csv")


def digest(num_bytes: int, offsets: np.ndarray, labels: np.ndarray) -> str:
    """sha256, in hexadecimal, over what opening a .rec reads anyway.

    num_bytes: of the .rec. offsets (N,), labels (N,): of its images, in their order.
    Images that all have the same length, as uncompressed ones, are not told apart.
    """
    hashed = hashlib.sha256(b"%d\n" % num_bytes)
    hashed.update(np.ascontiguousarray(offsets, dtype="<i8").tobytes())
    hashed.update(np.ascontiguousarray(labels, dtype="<f4").tobytes())
    return hashed.hexdigest()


def tied(names: bytes, records: str) -> bytes:
    """The names with the digest of their records."""
    return names + b"# records " + records.encode() + b"\n"


def untied(content: bytes) -> tuple[bytes, str | None]:
    """The names, and the digest of their records if they have one."""
    match = _LAST_LINE.search(content, max(len(content) - 1000, 0))
    return (content, None) if match is None else (content[: match.start()], match[2].decode())
