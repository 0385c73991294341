"""What a network was trained on: identities by name, crops by mark; to tell when a test shows it old photos.

A crop's mark is 8 bytes of a hash over the last two parts of its photo key, usually person and photo, and its
image's length in bytes: nothing has to be read for it, and two crops that share both are the same, nearly
always. It is the same whether a crop lies in a folder, a tar or a .rec that names its crops.
"""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sphereface_plus.data.formats.packs import CropSource, PackedCrop


@dataclass(frozen=True)
class TrainedOn:
    """Of all trainings that led to some weights, as far as that is known."""

    identities: tuple[str, ...]
    crops: np.ndarray
    """int64 (N,), sorted marks; empty where they were not kept."""
    complete: bool
    """False where the first weights came from a file that does not say what it was trained on."""

    def with_start(self, start: TrainedOn | None) -> TrainedOn:
        """This, and what the weights that it began with were trained on; None where that is not known."""
        if start is None:
            return TrainedOn(self.identities, self.crops, complete=False)
        return TrainedOn(
            tuple(dict.fromkeys(self.identities + start.identities)),
            np.union1d(self.crops, start.crops),
            self.complete and start.complete,
        )


def image_length(crop: CropSource) -> int:
    """Of a crop as it was encoded, bytes. Raises OSError for a file that is not there."""
    return crop.image_bytes if isinstance(crop, PackedCrop) else Path(crop).stat().st_size


def marks(keys: Iterable[str], lengths: Iterable[int]) -> np.ndarray:
    """int64 (N,) of N crops: their photo keys (keys.py) and their images' lengths in bytes."""
    texts = ("/".join(key.split("/")[-2:]) + f"\t{n}" for key, n in zip(keys, lengths, strict=True))
    digests = (
        hashlib.blake2b(text.encode(errors="surrogateescape"), digest_size=8).digest() for text in texts
    )
    return np.frombuffer(b"".join(digests), dtype="<i8").astype(np.int64)


def same_name(name: str) -> str:
    """A person's name without what differs between lists of one set: case, width, accents' encoding, and
    whether spaces, underscores or hyphens part its words."""
    folded = unicodedata.normalize("NFKC", name).casefold()
    return " ".join("".join(letter if letter.isalnum() else " " for letter in folded).split())


def person_of(key: str) -> str | None:
    """The folder of a photo, which is its person; None for a photo in no folder, as those of a .bin."""
    parts = key.split("/")
    return parts[-2] if len(parts) > 1 else None
