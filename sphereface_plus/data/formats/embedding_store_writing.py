"""Writing a store of embeddings (embedding_store.py): by several processes, and going on after any stop.

    prepare        one process: what is there and still right, what is to be made
    write_block    each process, its blocks: the rows first, then a line that says so, with their checksum
    finish         one process: the index of the whole

What a kill or a power cut leaves is looked at by its checksums: a block whose rows are not those of its line
is made again.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from sphereface_plus.data.formats.embedding_store import (
    INDEX,
    NUMBER,
    ROWS,
    Block,
    Index,
    block_of,
    check_keys,
    digest,
    index_text,
    is_store,
    read_index,
)
from sphereface_plus.data.formats.embeddings import EmbeddingsError
from sphereface_plus.files import naming, new_file
from sphereface_plus.words import counted

CropsHash = Callable[[Sequence[str]], str]
"""The hash of the crops of some keys, by which it is seen that they have changed."""


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
    if not keys:
        raise EmbeddingsError(f"{folder}: a store needs a photo at least")
    check_keys(keys, folder)
    index = None
    if is_store(folder):
        try:
            index = _taken_up(folder, keys, plain, crops, add=add)
        except EmbeddingsError:
            if not replace:
                raise
    elif folder.is_dir() and (others := [each for each in folder.iterdir() if each.name[0] != "."]):
        raise EmbeddingsError(
            f"{folder}: holds {others[0].name}, and is not a store of embeddings; name another folder"
        )
    if index is None:
        (folder / ROWS).unlink(missing_ok=True)
        index = Index(list(keys), plain, [0], [])
    _write_index(folder, index)
    for journal in _journals(folder):
        journal.unlink()
    return index


def write_block(
    folder: str | Path, index: Index, start: int, rows: np.ndarray, crops: str, *, process: int = 0
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
    journal = folder / f"done.{process}.jsonl"
    with naming(journal), journal.open("a", encoding="utf-8") as file:
        file.write(line + "\n")


def finish(folder: str | Path) -> None:
    """Makes one index of what the processes have written; the store can be read from now on.

    Raises EmbeddingsError where blocks are missing.
    """
    folder = Path(folder)
    index = _with_journals(folder, read_index(folder))
    if index.missing() or index.numbers is None:
        raise EmbeddingsError(
            f"{folder}: lacks {counted(len(index.missing()), 'block')} after all was done; the processes of "
            "a torchrun on several machines need one folder that all of them see"
        )
    # In place, and so not by files.py: several processes have written into this one file, gigabytes of it.
    # It counts once the index names it, which therefore has to reach the disk after it.
    with naming(folder / ROWS), (folder / ROWS).open("r+b") as file:
        file.truncate(len(index.keys) * index.numbers * NUMBER.itemsize)
        os.fsync(file.fileno())
    _write_index(folder, index)
    for journal in _journals(folder):
        journal.unlink()


def _taken_up(
    folder: Path, keys: Sequence[str], meta: dict[str, Any], crops: CropsHash, *, add: bool
) -> Index:
    """The index of what is there and right, with the keys that are new. Raises EmbeddingsError."""
    index = read_index(folder)
    differs = sorted(name for name in {*index.meta, *meta} if index.meta.get(name) != meta.get(name))
    if "fingerprint" in differs:
        raise EmbeddingsError(
            f"{folder}: holds embeddings of another model, and those of two models cannot be compared; name "
            "another folder"
        )
    if differs:
        there, here = (
            ", ".join(f"{name} {_shown(value)}" for name, value in _differing(one, other).items())
            for one, other in ((index.meta, meta), (meta, index.meta))
        )
        raise EmbeddingsError(
            f"{folder}: holds embeddings of {there}, and these would be of {here}; name another folder"
        )
    asked, known = set(keys), set(index.keys)
    others = sum(key not in asked for key in index.keys)
    if others and not add:
        raise EmbeddingsError(
            f"{folder}: holds embeddings of {counted(others, 'photo')} that are not among these; name "
            "another folder, or add these photos to them with --add"
        )
    index = _with_journals(folder, index)
    sound = _sound_rows(folder, index)
    blocks = []
    for block in index.blocks:
        names = index.keys[block.start : block.start + block.count]
        changed = all(name in asked for name in names) and crops(names) != block.crops
        if changed and others:
            raise EmbeddingsError(
                f"{folder}: holds embeddings of other photos under the same keys ({names[0][:100]}); name "
                "another folder"
            )
        if block in sound and not changed:
            blocks.append(block)
    index.blocks, index.numbers = blocks, index.numbers if blocks else None
    new = [key for key in keys if key not in known]
    lost = [
        start for start, count in index.missing() if not asked.issuperset(index.keys[start : start + count])
    ]
    if lost:
        raise EmbeddingsError(
            f"{folder}: lacks embeddings of photos that are not among these ({index.keys[lost[0]][:100]}), "
            "damaged or never made; give the command that began it again, then add others"
        )
    if new:
        index.segments = [*index.segments, len(index.keys)] if index.keys else [0]
        index.keys = index.keys + new
    return index


def _differing(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """Of `one` the values that are others in `other`; of a group, such as an input spec, each by itself."""
    found: dict[str, Any] = {}
    for name in sorted({*one, *other}):
        value, its = one.get(name), other.get(name)
        if isinstance(value, dict) and isinstance(its, dict):
            found |= {f"{name} {part}": each for part, each in _differing(value, its).items()}
        elif value != its:
            found[name] = value
    return found


def _shown(value: object) -> str:
    return "not stated" if value is None else str(value)[:64]


def _with_journals(folder: Path, index: Index) -> Index:
    """With the blocks that unfinished processes say they have written; the last line about a block counts."""
    blocks = {block.start: block for block in index.blocks}
    grid = dict(index.grid())
    for journal in _journals(folder):
        for line in journal.read_bytes().splitlines():
            try:
                numbers, content = json.loads(line)
                block = block_of(content)
            except (ValueError, TypeError, RecursionError):  # the last line, which a stop has cut
                continue
            if grid.get(block.start) == block.count and type(numbers) is int and numbers > 0:
                index.numbers = index.numbers or numbers
                if numbers == index.numbers:
                    blocks[block.start] = block
    index.blocks = [blocks[start] for start in sorted(blocks)]
    return index


def _sound_rows(folder: Path, index: Index) -> set[Block]:
    """The blocks whose rows are those that were written."""
    sound: set[Block] = set()
    if index.numbers is None or not (folder / ROWS).is_file():
        return sound
    with naming(folder / ROWS), (folder / ROWS).open("rb") as file:
        for block in index.blocks:
            file.seek(block.start * index.numbers * NUMBER.itemsize)
            data = file.read(block.count * index.numbers * NUMBER.itemsize)
            if hashlib.sha256(data).hexdigest() == block.rows:
                sound.add(block)
    return sound


def _journals(folder: Path) -> list[Path]:
    return sorted(folder.glob("done.*.jsonl"))


def _write_index(folder: Path, index: Index) -> None:
    with new_file(folder / INDEX, large=True) as file:
        file.write(index_text(index).encode())
