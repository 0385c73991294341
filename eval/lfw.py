"""LFW verification: which pairs are meant, a list's or a .bin's."""

from __future__ import annotations

from pathlib import Path

from .errors import PhotosError

# View 1 is for development (its people do not occur in peopleDevTrain), view 2 for reporting.
LISTS = {1: "pairsDevTest.txt", 2: "pairs.txt"}


def pairs_of(data: Path | None, view: int, pairs: Path | None) -> tuple[Path, str]:
    """The pairs file and the report's title. Raises PhotosError where DATA does not hold the view's list, or
    is a .bin, which has pairs of its own, and others are asked for."""
    if data is not None and data.suffix == ".bin":
        if pairs is not None or view != 2:
            raise PhotosError(f"{data}: holds its pairs itself; drop --pairs and --view")
        return data, f"LFW, {data.name}"
    if pairs is not None:
        known = {name: number for number, name in LISTS.items()}
        return pairs, f"LFW view {known[pairs.name]}" if pairs.name in known else f"LFW, {pairs.name}"
    if data is None:
        raise PhotosError("either --data (LFW's folder) or --pairs (a list) is needed to know the pairs")
    path = data / LISTS[view]
    if not path.is_file():
        raise PhotosError(
            f"{data}: does not hold {path.name}, the pairs of LFW's view {view}; name the list with --pairs"
        )
    return path, f"LFW view {view}"
