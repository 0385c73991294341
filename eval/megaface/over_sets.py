"""Verification over several sets of distractors: the TAR at each FAR in each set, their mean and spread."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np


def over_sets(
    fars: Sequence[float], tars: Sequence[Sequence[float]], *, spread: bool
) -> list[dict[str, Any]]:
    """At each FAR the TARs of the sets, their mean, and the standard deviation with n - 1, where sets
    differ (spread). tars: of each set, at each FAR."""
    return [
        {
            "far": far,
            "per_set": list(at),
            "mean": float(np.mean(at)),
            "deviation": float(np.std(at, ddof=1)) if spread else None,
        }
        for far, at in zip(fars, zip(*tars, strict=True), strict=True)
    ]
