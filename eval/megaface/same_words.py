"""Images that MegaFace's sides hold twice, in words for the terminal and the page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sphereface_plus.words import counted


def remaining(report: Mapping[str, Any], what: str) -> tuple[list[list[str]], int]:
    """The pairs that the cleaned numbers have, or the raw ones where there are no cleaned, and how many more
    the raw ones have. what: same_image or same_probes."""
    raw = report[what]["raw"]
    left = report[what].get("cleaned", raw)
    return left, len(raw) - len(left)


def warnings(report: Mapping[str, Any]) -> list[str]:
    """What the numbers shown first suffer from."""
    said = []
    if same := remaining(report, "same_image")[0]:
        said.append(f"{_image(len(same))} ({', '.join(same[0])}): they cannot be found")
    if same := remaining(report, "same_probes")[0]:
        words = "copies among the probes raise rank-1 and TAR"
        said.append(f"{_probes(len(same))} ({', '.join(same[0])}): {words}")
    return said


def notes(report: Mapping[str, Any]) -> list[str]:
    """What the noise lists have taken out of the cleaned numbers."""
    words = {"same_image": _image, "same_probes": _probes}
    counts = {what: remaining(report, what)[1] for what in words}
    return [
        f"raw: {words[what](count)}; the noise lists name them, and the cleaned numbers leave them out"
        for what, count in counts.items()
        if count
    ]


def _image(count: int) -> str:
    return f"the images of {counted(count, 'probe')} are among the distractors, too"


def _probes(count: int) -> str:
    return f"{counted(count, 'pair')} of mates must be the same image"
