"""What the doctor says: findings in groups of crops, each crop with a proposal."""

from __future__ import annotations

from dataclasses import dataclass, field

KINDS = {
    "unreadable": "Files that are not an image, or cut short",
    "size": "Crops of another size than the set's",
    "tiny": "Crops with hardly any content: a few colours, or a few hundred bytes",
    "duplicate": "The same picture again under one identity",
    "contradiction": "The same picture under several identities",
    "all_faces": "Several faces of one photo under one identity",
    "rival": "Crops of photos in which another face may be the one that is meant",
    "unsure": "Crops that may show no face, or not at its place",
    "near_duplicate": "Almost the same picture again",
    "two_people": "Identities that look like two people",
    "stranger": "Crops that look like nobody else of their identity",
    "one_person": "Identities that look like one person",
    "shared_name": "Identities whose name is in the test set",
    "shared_face": "Identities that look like one of the test set",
}
"""Kind of finding -> what it is, in the order of the page."""


@dataclass(frozen=True)
class Entry:
    """One crop of a finding."""

    crop: int
    """Its index in the set; in the test set where `other` is true."""
    drop: bool = False
    """Whether the proposal is to drop it; otherwise it is to be looked at."""
    other: bool = False
    """Of the set that the first one is compared with; never dropped."""
    group: int = 0
    """Which of the groups that a finding compares it belongs to."""


@dataclass(frozen=True)
class Finding:
    kind: str
    entries: list[Entry]
    words: str
    """Why, in a few words."""
    score: float = 0.0
    """Within its kind, findings of a higher score come first."""
    shown: list[Entry] = field(default_factory=list)
    """Crops on the page beside the entries that are in no need of a proposal."""

    def __post_init__(self) -> None:
        assert self.kind in KINDS, self.kind
