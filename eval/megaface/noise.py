"""What a noise list does to a measurement: names that are not here clean nothing."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

FEW = 0.1
"""Share of the names of people at hand; where fewer are found, names may be written otherwise."""


HOW_NAMES_MATCH = (
    "a name is an image's file name, as FaceScrub's Name_123, or the last three parts of its path, as "
    "MegaFace's 375/1@N00/2_0, which no image of a flat folder has"
)


def few_matched(noise: Mapping[str, Any]) -> bool:
    """Whether hardly any of a list's names are found, of those whose people are here. noise: its record."""
    return noise["matched"] <= FEW * noise["of_people"]  # also where none can be


def noise_warnings(records: Mapping[str, Mapping[str, Any] | None]) -> list[str]:
    """What a person should know of noise lists that match little. records: of probes and distractors."""
    said = []
    given = [noise for noise in records.values() if noise is not None]
    for side, noise in records.items():
        if noise is None or not few_matched(noise):
            continue
        names, people = f"{noise['entries']:,} names", f"people whose {side} are here"
        if not noise["of_people"]:
            few = f"none of its {names} is of {people}"
        else:
            found = f"only {noise['matched']:,}" if noise["matched"] else "none"
            few = f"{found} of its {noise['of_people']:,} names of {people} matches ({names} in all)"
        said.append(
            f"{Path(noise['file']).name}: {few}; if you expected more, see that the {side} are named as in "
            f"the list: {HOW_NAMES_MATCH}"
        )
    if given and not any(noise["matched"] for noise in given):
        said.append("there are no cleaned numbers, as no noise list names an image that is here")
    return said
