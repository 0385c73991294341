"""Folders of images, one for each person: what in them may be meant in another way, a sentence each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sphereface_plus.words import counted

AS_A_LIST = "give a list file of `path label` lines"
PARTS_OF_SETS = frozenset(
    (
        *("images", "image", "imgs", "img", "photos", "pictures", "pics", "faces", "jpg", "jpeg", "png"),
        *("data", "dataset", "train", "training", "val", "valid", "validation", "test", "img_align_celeba"),
    )
)
"""What folders of a data set are called, and hardly any person."""


def folders_left_out(folders: Sequence[str], thing: str, advice: str, *, links: bool = False) -> list[str]:
    """Folders in people's folders that are not entered. thing: what they hold. advice: how it is taken."""
    if not folders:
        return []
    more = f" and {len(folders) - 3:,} more" if len(folders) > 3 else ""
    return [
        f"{'links to folders' if links else 'folders'} in the people's folders are left out, with their "
        f"{thing}s: {', '.join(folders[:3])}{more}{advice}"
    ]


def taken_for_one(counts: Mapping[str, int], thing: str, advice: str) -> list[str]:
    """Folders that are taken for a person, of so many things each, and may be something else."""
    return [
        f"{name} is taken for one person, with {counted(counts[name], thing)}; if it holds several people's, "
        f"put each person's into a folder of its own, or {advice}"
        for name in sorted(counts)
        if len(counts) == 1 or name.lower() in PARTS_OF_SETS
    ]
