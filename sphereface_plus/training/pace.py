"""How fast training goes, and how much of the time it waits for data."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import perf_counter


class Pace:
    """Times the loop between two readings; validation and saving are paused and do not count.

    batch_size: images in one update, over all processes.
    on_step: called with the number of updates made so far, after each (the live line moves with it).
    """

    def __init__(self, batch_size: int, on_step: Callable[[int], None] = lambda updates: None) -> None:
        self._batch_size, self._on_step = batch_size, on_step
        self._reset()

    def _reset(self) -> None:
        self._start, self._steps, self._waited, self._paused = perf_counter(), 0, 0.0, 0.0

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Around the wait for a batch."""
        start = perf_counter()
        yield
        self._waited += perf_counter() - start

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Around what is not a training."""
        start = perf_counter()
        yield
        self._paused += perf_counter() - start

    def step_done(self, step: int) -> None:
        self._steps += 1
        self._on_step(step + 1)

    def read(self) -> dict[str, float]:
        """Images per second and the share of the time spent waiting for data, since the last reading."""
        seconds = max(perf_counter() - self._start - self._paused, 1e-9)
        reading = {
            "images_per_second": self._steps * self._batch_size / seconds,
            "data_wait_share": self._waited / seconds,
        }
        self._reset()
        return reading
