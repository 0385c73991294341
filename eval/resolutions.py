"""Whether there are enough searches or pairs to see a rate: words, and marks of numbers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

Resolution = Literal["resolved", "coarse", "unresolved"]

UNSURE: dict[Resolution, str] = {
    "resolved": "",
    "coarse": " (coarse)",
    "unresolved": " (not resolved by so few)",
}
"""What stands behind a number in the terminal."""


CANNOT: dict[Resolution, str] = {"coarse": "show coarsely", "unresolved": "cannot show"}
"""What so few searches do with such a rate."""


def least_sure(resolutions: Iterable[Resolution]) -> Resolution:
    """That of what is made of several, or compares them."""
    return max(resolutions, key=list(UNSURE).index)
