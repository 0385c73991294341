"""A FAR in words, and a threshold, in cosine and in L2, each with its 95 % interval."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


def rate_words(far: float) -> str:
    """`1e-06`, `2.5e-04`."""
    digits, power = f"{far:e}".split("e")
    return f"{digits.rstrip('0').rstrip('.')}e{power}"


def no_false_accept_words(fars: Sequence[float], impostors: int) -> str | None:
    """What the rows of FARs are that so many impostor pairs have none of; None where there is no such FAR."""
    small = [far for far in fars if far * impostors * (1 + 1e-12) < 1]  # 1e-3 of 1,000 pairs is one
    if not small:
        return None
    rates = f"At a FAR of {', '.join(map(rate_words, small))}" if len(small) < 4 else "At the lowest FARs"
    one = f"{1 / impostors:.1e}"
    return (
        f"{rates} no impostor pair may be accepted, as one of {impostors:,} is a FAR of {one}: TAR and "
        f"threshold are those of no false accept, whichever the FAR below {one}"
    )


def threshold_words(point: Mapping[str, Any]) -> str:
    """`cosine 0.4375 (0.4310 to 0.4420), L2 1.0607 (1.0564 to 1.0668)`. point: of a report; an interval that
    it does not know is left out."""
    if point["threshold_cosine"] is None:
        return "no threshold: an impostor pair has the highest score"
    return ", ".join(f"{name} {with_ends(point, name.lower())}" for name in ("cosine", "L2"))


def with_ends(point: Mapping[str, Any], name: str) -> str:
    """`0.4375 (0.4310 to 0.4420)`, or `(0.4310 or more)` where an end is not known. name: cosine or l2."""
    ends: Sequence[float | None] | None = point[f"threshold_{name}_interval"]
    value = f"{point[f'threshold_{name}']:.4f}"
    return value if ends is None else f"{value} ({_range(*ends)})"


def _range(low: float | None, high: float | None) -> str:
    if high is None:
        return f"{low:.4f} or more"
    return f"{high:.4f} or less" if low is None else f"{low:.4f} to {high:.4f}"
