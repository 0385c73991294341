"""What a noise list does to a measurement: names that are not here clean nothing."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

FEW = 0.1
"""Share of a noise list's names; where fewer are found, names may be of another kind."""


def few_matched(noise: Mapping[str, Any]) -> bool:
    """Whether so few of a list's names are found that they may be written otherwise. noise: its record."""
    return noise["matched"] < FEW * noise["entries"]


def noise_warnings(records: Mapping[str, Mapping[str, Any] | None]) -> list[str]:
    """What a person should know of noise lists that match little. records: of probes and distractors."""
    said = []
    given = [noise for noise in records.values() if noise is not None]
    for side, noise in records.items():
        if noise is None or not few_matched(noise):
            continue
        found, names = f"{noise['matched']:,} of its", f"{noise['entries']:,} names"
        few = f"only {found} {names} are {side} here" if noise["matched"] else f"none of its {names} is here"
        said.append(
            f"{Path(noise['file']).name}: {few}; if you expected more, see that the {side} are named as in "
            "the list"
        )
    if given and not any(noise["matched"] for noise in given):
        said.append("there are no cleaned numbers, as no noise list names an image that is here")
    return said
