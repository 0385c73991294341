"""What of a store of embeddings that is there (embedding_store.py) is still right, for those who write on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from sphereface_plus.data.formats.embedding_store import (
    JOURNAL,
    NUMBER,
    ROWS,
    Block,
    Index,
    block_of,
    read_index,
)
from sphereface_plus.data.formats.embeddings import EmbeddingsError
from sphereface_plus.files import naming
from sphereface_plus.words import counted

CropsHash = Callable[[Sequence[str]], str]
"""The hash of the crops of some keys, by which it is seen that they have changed."""


def fitting(folder: Path, keys: Sequence[str], meta: dict[str, Any], *, add: bool) -> Index:
    """The index of a store that embeddings of these keys go into. Raises EmbeddingsError for another."""
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
    asked = set(keys)
    others = sum(key not in asked for key in index.keys)
    if others and not add:
        raise EmbeddingsError(
            f"{folder}: holds embeddings of {counted(others, 'photo')} that are not among these; name "
            "another folder, or add these photos to them with --add"
        )
    return index


def add_new(index: Index, keys: Sequence[str]) -> bool:
    """Adds the keys that are new, as a segment; whether there are any."""
    known = set(index.keys)
    new = [key for key in keys if key not in known]
    if new:
        index.segments = [*index.segments, len(index.keys)] if index.keys else [0]
        index.keys = index.keys + new
    return bool(new)


def kept(folder: Path, index: Index, asked: set[str], crops: CropsHash) -> list[Block]:
    """The blocks whose rows are those that were written, of crops that are those that there are."""
    others = any(key not in asked for key in index.keys)
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
    return blocks


def refuse_lost(folder: Path, index: Index, left: Sequence[tuple[int, int]], asked: set[str]) -> None:
    """Raises EmbeddingsError where blocks that are to be made are of other photos than there are."""
    lost = [start for start, count in left if not asked.issuperset(index.keys[start : start + count])]
    if lost:
        raise EmbeddingsError(
            f"{folder}: lacks embeddings of photos that are not among these ({index.keys[lost[0]][:100]}), "
            "damaged or never made; give the command that began it again, then add others"
        )


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


def with_journals(folder: Path, index: Index) -> Index:
    """With the blocks that unfinished processes say they have written; the last line about a block counts."""
    blocks = {block.start: block for block in index.blocks}
    grid = dict(index.grid())
    for journal in journals(folder):
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


def journals(folder: Path) -> list[Path]:
    return sorted(folder.glob(JOURNAL.format("*")))
