"""What became of an earlier split into people to train on and to verify, when `pairs` writes it again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sphereface_plus.data.formats.names import read_names
from sphereface_plus.words import counted


@dataclass(frozen=True)
class EarlierSplit:
    """The split that a folder held, before it was written over: its two files."""

    pairs: bytes
    verified: frozenset[str]

    @classmethod
    def of(cls, pairs: Path, verified: Path) -> EarlierSplit | None:
        """None where there is none. Raises NamesError."""
        if not pairs.is_file() or not verified.is_file():
            return None
        return cls(pairs.read_bytes(), frozenset(read_names(verified)))

    def changes(self, pairs: bytes, people: Sequence[str], verified: frozenset[str]) -> list[str]:
        """What a person should know, in a sentence each, of the new split: its pairs, the names of all people
        of the set, and those to verify. Nothing where it is the same."""
        if pairs == self.pairs and verified == self.verified:
            return []
        to_verify, to_train = verified - self.verified, (self.verified - verified) & set(people)
        lines = ["the crops have changed since this split was made; the older one was written over:"]
        if moved := len(to_verify) + len(to_train):
            lines += [
                f"  {counted(moved, 'person')} changed sides: {len(to_verify):,} to verify now, "
                f"{len(to_train):,} to train on now",
                "  models trained before were trained without the people of the older verified.txt, and "
                "maybe on those to verify now: train again before you verify",
            ]
        else:
            lines.append("  nobody changed sides, but the pairs are others")
        return [*lines, "  reports made before are of the older pairs: do not compare them with new ones"]
