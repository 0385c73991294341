"""What benchmarks have in common: turns, ratios with their spread, the bare product, a file of figures."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import torch

KEPT_IN = "BENCH_FIGURES"
"""The environment variable that names the file which `keep` adds to: `make bench JSON=...` sets it."""

Way = Callable[[], object]


def timed(way: Way) -> np.ndarray:
    """Seconds by the clock, and of processor time, which other processes disturb less."""
    start, processor_start = time.perf_counter(), time.process_time()
    way()
    return np.array([time.perf_counter() - start, time.process_time() - processor_start])


def in_turn(ways: Mapping[str, Way], turns: int) -> dict[str, np.ndarray]:
    """(turns, 2) seconds of each way, as `timed` has them; one after the other in each turn, so that what
    else the machine does slows all."""
    taken = [[timed(way) for way in ways.values()] for _ in range(turns)]
    return dict(zip(ways, np.array(taken).transpose(1, 0, 2), strict=True))


def spread(values: np.ndarray, digits: int = 2) -> str:
    """`1.29 (1.22 .. 1.34)`: median, least and most."""
    return f"{np.median(values):.{digits}f} ({values.min():.{digits}f} .. {values.max():.{digits}f})"


def keep(benchmark: str, what: str, unit: str, values: np.ndarray | float, **settings: object) -> None:
    """Adds a figure to the file that `make bench JSON=...` makes; without one it does nothing.

    values: one, or one a turn. unit: such as "times bare", "MiB", "images/s". settings: what it was
    measured at.
    """
    if file := os.environ.get(KEPT_IN):
        several = np.atleast_1d(np.asarray(values, dtype=np.float64))
        figure = {
            **{"benchmark": benchmark, "what": what, "unit": unit, "settings": settings},
            **{"median": float(np.median(several)), "least": float(several.min())},
            **{"most": float(several.max()), "turns": len(several)},
        }
        with Path(file).open("a", encoding="utf-8") as lines:
            lines.write(json.dumps(figure) + "\n")


def bare_product(dtype: torch.dtype, size: int = 1536) -> tuple[Way, float]:
    """One product of square matrices by torch, and its FLOP, to compare with: convolutions may be faster."""
    a, b = (torch.randn(size, size).to(dtype) for _ in range(2))
    into = torch.empty(size, size, dtype=dtype)
    return lambda: torch.mm(a, b, out=into), 2.0 * size**3
