"""Labels of identities: whole numbers from 0 without gaps."""

from __future__ import annotations

from collections.abc import Sequence

from sphereface_plus.data.crops import CropsError
from sphereface_plus.words import counted


def numbered(names: list[str]) -> tuple[list[int], list[str]]:
    """A label for each of the names, and the distinct names in the labels' order, sorted."""
    identities = sorted(set(names))
    label_of = {name: label for label, name in enumerate(identities)}
    return [label_of[name] for name in names], identities


def check_labels(labels: Sequence[int], num_identities: int, *, origin: str = "labels") -> None:
    """Raises CropsError unless the labels are 0 .. num_identities - 1, each at least once."""
    wanted, given = set(range(num_identities)), set(labels)
    if wanted != given:
        people = f"{counted(num_identities, 'identity')} {'needs' if num_identities == 1 else 'need'}"
        outside, missing = sorted(given - wanted), sorted(wanted - given)
        raise CropsError(
            f"{origin}: {people} the labels 0 to {num_identities - 1} without gaps; "
            f"not among these: {_first_of(outside)}; missing: {_first_of(missing)}"
        )


def _first_of(labels: list[int]) -> str:
    return (
        ", ".join(map(str, labels[:5])) + (f" and {len(labels) - 5} more" if len(labels) > 5 else "")
        or "none"
    )
