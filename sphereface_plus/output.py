"""Files of results, each written whole or not at all."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from sphereface_plus.files import new_file, new_text

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Numbers are written with as many digits as they need to be read back the same."""
    with new_text(path) as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)


def write_figure(path: Path, figure: Figure) -> None:
    # without the version of matplotlib in it, the same plot is the same file
    with new_file(path) as file:
        figure.savefig(file, format="png", dpi=160, metadata={"Software": None})
