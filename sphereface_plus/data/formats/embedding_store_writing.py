"""Writing a store of embeddings (embedding_store.py): by several processes, and going on after any stop.

    prepare        one process: what is there and still right, what is to be made
    write_block    each process, its blocks: the rows first, then a line that says so, with their checksum
    finish         one process: the index of the whole

Shares (shares.py), of which none is the first, begin by prepare_share in the place of prepare, and write the
blocks that `to_make` names; prepare and finish of the process that joins them take these in.

What a kill or a power cut leaves is looked at by its checksums: a block whose rows are not those of its line
is made again.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from copy import copy
from pathlib import Path
from typing import Any

import numpy as np

from sphereface_plus.data.formats.embedding_store import (
    INDEX,
    JOURNAL,
    NUMBER,
    ROWS,
    Block,
    Index,
    check_keys,
    digest,
    index_text,
    is_store,
    read_index,
)
from sphereface_plus.data.formats.embedding_store_kept import (
    CropsHash,
    add_new,
    fitting,
    journals,
    kept,
    refuse_lost,
    with_journals,
)
from sphereface_plus.data.formats.embeddings import EmbeddingsError
from sphereface_plus.files import naming, new_file
from sphereface_plus.words import counted


def prepare(
    folder: str | Path,
    keys: Sequence[str],
    meta: Mapping[str, Any],
    crops: CropsHash,
    *,
    add: bool = False,
    replace: bool = False,
) -> Index:
    """Makes the folder a store for the embeddings of these photos, or takes up the one that is there, and
    returns its index, with the blocks whose rows and crops are still the same.

    keys: of a store that is there they are all of its keys, and maybe more, which are added.
    add: its keys may be others, which stay; keys that are there already must be of the same crops.
    replace: a store of another model, fusion, input or photos is begun again instead of refused.
    Raises EmbeddingsError, one sentence, where that cannot be.
    """
    folder, plain = Path(folder), json.loads(json.dumps(dict(meta)))  # as it is read again
    _check_place(folder, keys)
    index = None
    if is_store(folder):
        try:
            index = _taken_up(folder, keys, plain, crops, add=add)
        except EmbeddingsError:
            if not replace:
                raise
    if index is None:
        (folder / ROWS).unlink(missing_ok=True)
        index = Index(list(keys), plain, [0], [])
    _write_over_journals(folder, index)
    return index


def prepare_share(
    folder: str | Path,
    keys: Sequence[str],
    meta: Mapping[str, Any],
    lock: Callable[[], AbstractContextManager[object]],
    *,
    add: bool = False,
) -> Index:
    """As prepare, while shares write: makes a store, or adds keys that are new, and leaves all that is there.

    lock: of the folder. It is held for a moment only: the index of a million keys takes a second to be read,
    and many shares begin at once. So it is read before, and again if it was another when the lock came.
    Returns the index with the blocks that it names, whether they are still right or not.
    Raises EmbeddingsError, and what the lock raises.
    """
    folder, plain = Path(folder), json.loads(json.dumps(dict(meta)))
    _check_place(folder, keys)
    while True:
        before = _version(folder)
        if before is None:
            index, is_new = Index(list(keys), plain, [0], []), True
        else:
            index = fitting(folder, keys, plain, add=add)
            is_new = add_new(index, keys)
        with lock():
            if _version(folder) == before:
                if is_new:
                    _write_index(folder, index)
                return index


def to_make(
    folder: str | Path,
    index: Index,
    places: Sequence[tuple[int, int]],
    keys: Sequence[str],
    crops: CropsHash,
) -> list[tuple[int, int]]:
    """Of the blocks (start, count) those that are not there, or not as they would be made now.

    keys: those whose crops are at hand. Raises EmbeddingsError where one of the blocks has others.
    """
    folder, mine = Path(folder), dict(places)
    there = with_journals(folder, copy(index))
    there.blocks = [block for block in there.blocks if block.start in mine]
    stay = {block.start for block in kept(folder, there, set(keys), crops)}
    left = [place for place in places if place[0] not in stay]
    refuse_lost(folder, there, left, set(keys))
    return left


def unwritten(folder: Path, index: Index) -> list[tuple[int, int]]:
    """(start, count) of the blocks of which nobody says that they are written."""
    return with_journals(folder, copy(index)).missing()


def write_block(
    folder: str | Path, index: Index, start: int, rows: np.ndarray, crops: str, *, process: int | str = 0
) -> None:
    """Writes rows float32 (n, D), finite ones, of the block that begins at `start`. Raises EmbeddingsError,
    WriteError."""
    folder, data = Path(folder), np.ascontiguousarray(rows, NUMBER)
    if index.numbers not in (None, data.shape[1]):
        raise EmbeddingsError(
            f"{folder}: holds embeddings of {index.numbers} numbers, got {data.shape[1]}; name another folder"
        )
    with naming(folder / ROWS):
        descriptor = os.open(folder / ROWS, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o666)
        with os.fdopen(descriptor, "r+b") as file:
            file.seek(start * data.shape[1] * NUMBER.itemsize)
            file.write(data.data)
    line = json.dumps([data.shape[1], Block(start, len(data), digest(data), crops)])
    journal = folder / JOURNAL.format(process)
    with naming(journal), journal.open("a", encoding="utf-8") as file:
        file.write(line + "\n")


def finish(folder: str | Path) -> None:
    """Makes one index of what the processes have written; the store can be read from now on.

    Raises EmbeddingsError where blocks are missing.
    """
    folder = Path(folder)
    index = with_journals(folder, read_index(folder))
    if index.missing() or index.numbers is None:
        raise EmbeddingsError(
            f"{folder}: lacks {counted(len(index.missing()), 'block')} after all was done; the processes of "
            "a torchrun on several machines need one folder that all of them see"
        )
    _write_over_journals(folder, index)


def _taken_up(
    folder: Path, keys: Sequence[str], meta: dict[str, Any], crops: CropsHash, *, add: bool
) -> Index:
    """The index of what is there and right, with the keys that are new. Raises EmbeddingsError."""
    index = with_journals(folder, fitting(folder, keys, meta, add=add))
    index.blocks = kept(folder, index, set(keys), crops)
    index.numbers = index.numbers if index.blocks else None
    refuse_lost(folder, index, index.missing(), set(keys))
    add_new(index, keys)
    return index


def _check_place(folder: Path, keys: Sequence[str]) -> None:
    if not keys:
        raise EmbeddingsError(f"{folder}: a store needs a photo at least")
    check_keys(keys, folder)
    if not folder.is_dir():
        return
    others = [each for each in folder.iterdir() if each.name[0] != "."]
    if others and not is_store(folder):  # asked last: another share may make it one meanwhile
        raise EmbeddingsError(
            f"{folder}: holds {others[0].name}, and is not a store of embeddings; name another folder"
        )


def _write_over_journals(folder: Path, index: Index) -> None:
    """Writes the index, which holds what the journals say, and removes them."""
    if index.numbers is not None and not index.missing():
        # In place, and so not by files.py: several processes have written into this one file, gigabytes of
        # it. It counts once the index names all of it, which therefore has to reach the disk after it.
        with naming(folder / ROWS), (folder / ROWS).open("r+b") as file:
            file.truncate(len(index.keys) * index.numbers * NUMBER.itemsize)
            os.fsync(file.fileno())
    _write_index(folder, index)
    for journal in journals(folder):
        journal.unlink()


def _version(folder: Path) -> tuple[int, int, int] | None:
    """Of the index: another after each writing, as that makes a new file; None where there is none.

    Raises EmbeddingsError."""
    try:
        with (folder / INDEX).open("rb") as file:  # not by its name: NFS may remember what that was before
            stat = os.fstat(file.fileno())
    except FileNotFoundError:
        return None
    except OSError as error:
        raise EmbeddingsError(f"{folder / INDEX}: cannot be read ({error.strerror})") from None
    return stat.st_ino, stat.st_mtime_ns, stat.st_size


def _write_index(folder: Path, index: Index) -> None:
    with new_file(folder / INDEX, large=True) as file:
        file.write(index_text(index).encode())
