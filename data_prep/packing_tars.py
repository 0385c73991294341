"""Crops into a folder of tars (tar_sets.py), by one process or in shares (shares.py), with the same bytes.

A tar appears under its name when it is whole, so that a share goes on with those that are not there. The call
without a share joins them: it looks at all tars, writes what is left, and says that the set is finished.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from sphereface_plus.data.crops import fingerprint
from sphereface_plus.data.faces import FaceCrops
from sphereface_plus.data.formats.packed_faces import sample_names
from sphereface_plus.data.formats.tar_sets import Record, is_tar_set, read_record, write_record
from sphereface_plus.data.formats.tars import TarError, list_members
from sphereface_plus.outputs import locked
from sphereface_plus.shares import Share, beginning, without_shares
from sphereface_plus.words import counted

from .errors import PrepError
from .options import PER_TAR
from .packing import Progress, checked, names_of, sentences, table_of, write_tar

MOST_TARS = 500
"""A training holds each tar open, and a process may have some 1,000 files open at once."""
_LOCKS = "pack_*_of_*"


@dataclass(frozen=True)
class Tars:
    """What a call has packed."""

    crops: FaceCrops
    """The set."""
    num_crops: int
    """Of this call's tars."""
    num_tars: int
    num_before: int
    """Tars that were there before."""


def pack_tars(
    source: Path,
    out: Path,
    progress: Progress | None = None,
    *,
    per_tar: int = PER_TAR,
    share: Share | None = None,
) -> Tars:
    """Writes the crops of a set that training reads (faces.py) into tars in the folder `out`; of a share its
    tars, while other processes may write the others.

    Raises PrepError, also where the folder holds anything else; PlaceError where somebody else writes there.
    """
    if out.resolve() == source.resolve():
        raise PrepError(f"{out}: is the set itself; name another folder")
    with sentences():
        crops = FaceCrops.open(source)
        names, table = (named := names_of(source, crops)).names, table_of(named, crops)
        digest = hashlib.sha256(fingerprint(crops.keys, crops.paths).encode())
        for label, row in zip(crops.labels, table[1:], strict=True):
            digest.update("\t".join([str(label), *row]).encode() + b"\n")
        record = Record(len(names), per_tar, digest.hexdigest())
        if len(record.starts) > MOST_TARS:
            raise PrepError(
                f"--per-tar {per_tar}: makes {len(record.starts):,} tars, and training holds each of them "
                f"open; take {-(-len(names) // MOST_TARS):,} or more"
            )
        with _place(out, share, record, source) as there:
            mine = list(record.starts) if share is None else share.of(list(record.starts))
            left = [start for start in mine if not _is_whole(out, there, start)]
            total = sum(len(record.crops_of(start)) for start in mine)
            done = total - sum(len(record.crops_of(start)) for start in left)
            if progress is not None:
                progress(done, total, 0)
            for start in left:
                order = record.crops_of(start)
                tell = None if progress is None else _after(progress, done, total)
                samples = zip(
                    sample_names(names[index] for index in order),
                    (crops.labels[index] for index in order),
                    checked(crops, order, tell),
                    strict=True,
                )
                file = out / record.name(start)
                write_tar(file, samples, [table[0], *(table[1 + index] for index in order)])
                list_members(file)  # keeps its offsets beside it, for those who read it
                done += len(order)
            if share is None:
                files = [(len(record.crops_of(start)), out / record.name(start)) for start in mine]
                write_record(out, replace(record, tars=tuple((n, file.stat().st_size) for n, file in files)))
    return Tars(crops, total, len(mine), len(mine) - len(left))


def told_of_share(share: Share, done: Tars) -> str:
    """What the command says at the end of a share."""
    return (
        f"share {share}: {counted(done.num_crops, 'crop')} in {counted(done.num_tars, 'tar')}\n"
        "next: when all shares have ended, the same command without --shard joins them, and packs what a "
        "killed one has left"
    )


@contextmanager
def _place(out: Path, share: Share | None, record: Record, source: Path) -> Iterator[Record]:
    """The record in the folder, while nobody else writes what this call writes."""
    if share is None:
        with without_shares(out, _LOCKS):
            yield _begun(out, record, source)
        return
    with locked(out / f"pack_{share.name}", file=True):
        with beginning(out):
            there = _begun(out, record, source)
        yield there


def _begun(out: Path, record: Record, source: Path) -> Record:
    if not is_tar_set(out):
        if others := [path.name for path in out.iterdir() if not path.name.startswith(".")]:
            raise PrepError(f"{out}: holds {others[0]}, and is not a packed set; name another folder")
        write_record(out, record)
        return record
    there = read_record(out)
    if there.of != record.of or there.count != record.count:
        raise PrepError(
            f"{out}: holds tars of other crops than {source} has now; name another folder, or remove this one"
        )
    if there.per_tar != record.per_tar:
        raise PrepError(
            f"{out}: holds tars of {there.per_tar:,} crops each, and these would be of {record.per_tar:,}; "
            f"give --per-tar {there.per_tar}, or name another folder"
        )
    return there


def _is_whole(out: Path, record: Record, start: int) -> bool:
    """Whether the tar is there, with a crop and a label for each of its crops, and their table; of a finished
    set also as long as it was."""
    file = out / record.name(start)
    try:
        if record.tars is not None and file.stat().st_size != record.tars[start // record.per_tar][1]:
            return False
        return len(list_members(file)) == 2 * len(record.crops_of(start)) + 1
    except (OSError, TarError):
        return False


def _after(progress: Progress, before: int, total: int) -> Progress:
    return lambda done, _, failed: progress(before + done, total, failed)
