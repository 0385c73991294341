"""A tally of a gallery's first rows alone, of a search of more: smaller sizes need no search of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..scores import Pairs
from ..search import Tally, Tile

if TYPE_CHECKING:
    from sphereface_plus.processes import Processes


class OfFirstRows:
    """Shows `tally` the first `end` rows."""

    def __init__(self, tally: Tally, end: int) -> None:
        self.tally, self.end = tally, end
        self.sizes = (*tally.sizes, end)  # where a tile ends, too

    def start(self, pairs: Pairs) -> None:
        self.tally.start(pairs)

    def take(self, tile: Tile) -> None:
        if tile.first_row < self.end:
            self.tally.take(tile)

    def reached(self, size: int) -> None:
        if size <= self.end:
            self.tally.reached(size)

    def finish(self) -> None:
        self.tally.finish()

    def join(self, processes: Processes) -> None:
        self.tally.join(processes)
