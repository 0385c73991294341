"""Applies proposals: takes crops out of a set, without deleting a file.

A folder with a manifest, or a manifest: the rows move into a file beside it (dropped.py), and the crops stay
where they are. An identity/image folder: the files move into a folder beside it, under the same names.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from os.path import isfile  # False, where Path's raises, for a name that is too long
from pathlib import Path

from sphereface_plus.data.faces import FaceCrops
from sphereface_plus.data.formats.kinds import refusal
from sphereface_plus.data.formats.manifest import MANIFEST, leads_outside
from sphereface_plus.data.formats.packed_faces import SUFFIXES
from sphereface_plus.data.formats.tar_sets import is_tar_set
from sphereface_plus.files import naming
from sphereface_plus.words import counted

from ..dropped import dropped_before, move_rows
from ..errors import PrepError
from ..packing import names_of, sentences
from .page import HEADER
from .spreadsheet import unquoted


@dataclass(frozen=True)
class Dropped:
    num_dropped: int
    num_left: int
    where: Path
    """The manifest that was written, or the folder that the files are in now."""
    rows: Path | None = None
    """Where the rows are that left a manifest."""


def drop(proposals: Path, data: Path) -> Dropped:
    """Drops the crops of `data` whose rows say `drop`. Raises PrepError, before anything is changed."""
    if data.suffix in SUFFIXES or is_tar_set(data):
        raise PrepError(f"{data}: is packed; unpack it, drop, and pack again")
    wanted = read_proposals(proposals)
    with sentences():
        crops = FaceCrops.open(data)
        named = names_of(data, crops)
    names, manifest = named.names, named.manifest
    aside, path = data.with_name(f"{data.name}.dropped"), data / MANIFEST if data.is_dir() else data
    # Without those of an earlier drop, or of one that was stopped.
    before = dropped_before(path) if manifest is not None else set()
    wanted -= {name for name in wanted - set(names) if name in before or isfile(aside / name)}  # noqa: PTH113
    if not wanted:
        raise PrepError(f"{proposals}: nothing is left to drop, it was applied already")
    unknown = sorted(wanted - set(names))
    if unknown:
        raise PrepError(
            f"{proposals}: of {counted(len(wanted), 'crop to drop')} {len(unknown):,} not in {data}, first "
            f"{unknown[0][:200]}; it belongs to another set, or was applied already"
        )
    if len(wanted) == len(names):
        raise PrepError(f"{proposals}: would drop every crop of {data}")
    left = len(names) - len(wanted)
    if manifest is not None:
        return Dropped(len(wanted), left, path, move_rows(path, manifest, wanted))
    if not data.is_dir():
        raise PrepError(f"{data}: is a list file; take the lines out of it, or give the folder of the crops")
    for name in sorted(wanted):
        if (aside / name).exists():
            raise PrepError(f"{aside / name}: is there already, from an earlier drop; move that folder away")
    for name in sorted(wanted):
        with naming(aside / name):
            (aside / name).parent.mkdir(parents=True, exist_ok=True)
            (data / name).rename(aside / name)
    return Dropped(len(wanted), left, aside)


def read_proposals(path: Path) -> set[str]:
    """The paths of the rows that say `drop`. Raises PrepError."""
    if (words := refusal(path, "the doctor's proposals.csv is needed")) is not None:
        raise PrepError(words)
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            # A spreadsheet parts the columns by semicolons where a comma is the decimal point.
            semicolons = file.readline().replace('"', "").startswith(";".join(HEADER[:2]))
            file.seek(0)
            header, *rows = csv.reader(file, strict=True, delimiter=";" if semicolons else ",")
    except (OSError, UnicodeDecodeError, csv.Error, ValueError) as error:
        raise PrepError(f"{path}: cannot be read as proposals ({error})") from None
    if tuple(header[:2]) != HEADER[:2]:
        raise PrepError(f"{path}: expected the doctor's columns, {', '.join(HEADER)}")
    rows = [[row[0].strip().lower(), *map(unquoted, row[1:])] for row in rows if row]
    wanted = set()
    for number, row in enumerate(rows, start=1):
        if len(row) < 2 or row[0] not in ("drop", "look", "keep") or leads_outside(row[1]):
            raise PrepError(
                f"{path}, row {number}: expected drop, look or keep, and a path, got {row[:2]!s:.200}"
            )
        if row[0] == "drop":
            wanted.add(row[1])
    kept = {row[1] for row in rows if row[0] == "keep"}
    if not wanted - kept:
        raise PrepError(f"{path}: no row says `drop`")
    return wanted - kept
