"""Many embeddings in a folder: raw rows that are memory-mapped, and an index of whose and how they are.

    embeddings.json    format, count, numbers, block, segments, meta, blocks, keys (JSON)
    rows.f32           (count, numbers) float32, little-endian, row after row
    done.<n>.jsonl     while it is not finished: blocks that process n has written, a line each

Rows are written and checked in blocks of `block` rows. A segment is what was added at one time; its blocks
begin with it, so that the rows do not depend on when a writing was stopped, or on who wrote which block.
Nothing here is executed, and no key can lead out of a folder that somebody lays beneath it.
"""

from __future__ import annotations

import hashlib
import json
import posixpath
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from sphereface_plus.data.formats.embeddings import EmbeddingsError, read_embeddings
from sphereface_plus.data.formats.manifest import leads_outside

INDEX, ROWS, JOURNAL = "embeddings.json", "rows.f32", "done.{}.jsonl"
FORMAT = 1
BLOCK = 512
"""Rows of a block: what is lost at most, of each process, when it is killed."""
NUMBER = np.dtype("<f4")
_MOST_NUMBERS = 2**20


class Block(NamedTuple):
    """Rows start .. start + count."""

    start: int
    count: int
    rows: str
    """sha256 of the rows' bytes."""
    crops: str
    """Of the crops that they are of, a hash by which their writer knows them again."""


@dataclass
class Index:
    """What embeddings.json holds."""

    keys: list[str]
    meta: dict[str, Any]
    segments: list[int]
    """Rows that a segment begins with, the first is 0."""
    blocks: list[Block]
    """Those that are done."""
    numbers: int | None = None
    """Of an embedding, D; None before the first one is done."""
    block: int = BLOCK

    def grid(self) -> Iterator[tuple[int, int]]:
        """(start, count) of all blocks, done or not."""
        for begin, end in zip(self.segments, [*self.segments[1:], len(self.keys)], strict=True):
            for start in range(begin, end, self.block):
                yield start, min(self.block, end - start)

    def missing(self) -> list[tuple[int, int]]:
        """(start, count) of the blocks that are not done."""
        done = {block.start for block in self.blocks}
        return [place for place in self.grid() if place[0] not in done]


@dataclass(frozen=True)
class Embeddings:
    """N embeddings of N photos, from a store or an .npz."""

    keys: list[str]
    rows: np.ndarray
    """(N, D), a store's float32 and memory-mapped, to be read only."""
    meta: dict[str, Any]
    """What they were made with and how: kind, fingerprint (sha256 of the model), input, flip, and precision
    where that is not fp32."""
    index: Index | None = None
    """Of a store."""


def is_store(path: str | Path) -> bool:
    """Whether a folder is a store, finished or not."""
    return (Path(path) / INDEX).is_file()


def open_embeddings(path: str | Path, *, check: bool = False) -> Embeddings:
    """The embeddings in the folder of a store, or in an .npz.

    A store's rows are not read before they are used. check: compare them with their checksums; an .npz is
    always read and checked whole.
    Raises EmbeddingsError for what is not finished, cut short or damaged.
    """
    path = Path(path)
    if not path.is_dir():
        return Embeddings(*read_embeddings(path))
    index = read_index(path)
    if index.missing() or index.numbers is None:
        raise EmbeddingsError(
            f"{path}: is not finished; give the command that began it again, it goes on where it stopped"
        )
    expected = len(index.keys) * index.numbers * NUMBER.itemsize
    file = path / ROWS
    there = file.stat().st_size if file.is_file() else 0
    if there != expected:
        raise EmbeddingsError(f"{file}: has {there:,} bytes, {expected:,} are expected; {AGAIN}")
    rows = np.memmap(file, NUMBER, "r", shape=(len(index.keys), index.numbers))
    if check:
        for block in index.blocks:
            part = rows[block.start : block.start + block.count]
            if digest(part) != block.rows:
                raise EmbeddingsError(
                    f"{file}: rows {block.start:,} to {block.start + block.count - 1:,} are not those that "
                    f"were written; {AGAIN}"
                )
            if not np.isfinite(part).all():
                raise EmbeddingsError(f"{file}: holds numbers that are not finite")
    return Embeddings(index.keys, rows, index.meta, index)


AGAIN = "give the command that made it again, it makes what is damaged again, and only that"


def digest(rows: np.ndarray) -> str:
    """The checksum of a block's rows."""
    return hashlib.sha256(np.ascontiguousarray(rows, NUMBER).data).hexdigest()


def store_key(key: str) -> str:
    """A photo key as a store holds it: of an absolute path, or one that begins with `../`, what follows."""
    if key[:1] not in ("/", ".") and "/." not in key:
        return key
    return re.sub(r"\A(?:\.{0,2}/)+", "", posixpath.normpath(key))


def check_keys(keys: Sequence[str], origin: str | Path) -> None:
    """Raises EmbeddingsError for keys that are repeated, empty, or lead out of a folder."""
    # The few that may, by what is quickly looked up: PureWindowsPath takes ten seconds for a million keys.
    suspects = (
        key for key in keys if not key or ".." in key or key[0] in "/\\" or ":" in key[:2] or "\0" in key
    )
    wrong = next((key for key in suspects if not key or leads_outside(key)), None)
    if wrong is not None:
        raise EmbeddingsError(
            f"{origin}: the key {wrong[:200]!r} leads out of its folder, or is empty; a key is a photo's "
            "path within its folder"
        )
    if len(set(keys)) < len(keys):
        seen: set[str] = set()
        twice = next(key for key in keys if key in seen or seen.add(key))
        raise EmbeddingsError(f"{origin}: the key {twice[:200]!r} is there twice; keys must differ")


def read_index(folder: str | Path) -> Index:
    """The index of a store, which need not be finished. Raises EmbeddingsError."""
    file = Path(folder) / INDEX
    try:
        index = _index_of(json.loads(file.read_bytes()))
    except FileNotFoundError:
        raise EmbeddingsError(f"{folder}: is not a store of embeddings, it has no {INDEX}") from None
    except OSError as error:
        raise EmbeddingsError(f"{file}: cannot be read ({error.strerror})") from None
    except MemoryError:
        raise EmbeddingsError(f"{file}: cannot be read, memory is short for it") from None
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise EmbeddingsError(
            f"{file}: is damaged or not an index of embeddings ({reason}); remove the folder and make "
            "it again"
        ) from None
    check_keys(index.keys, file)
    return index


def _index_of(content: Any) -> Index:
    """Raises ValueError, TypeError or KeyError for JSON that does not describe a store."""
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise ValueError(f"it is not of format {FORMAT}")
    keys, meta, numbers = content["keys"], content["meta"], content["numbers"]
    block, segments = content["block"], content["segments"]
    if not (isinstance(keys, list) and all(map(str.__instancecheck__, keys)) and isinstance(meta, dict)):
        raise ValueError("keys or meta are of another kind")
    if content["count"] != len(keys):
        raise ValueError(f"it has {len(keys):,} keys, and says {content['count']!r:.20}")
    if numbers is not None and not (_whole(numbers) and 0 < numbers <= _MOST_NUMBERS):
        raise ValueError(f"numbers are {numbers!r:.20}")
    if not (_whole(block) and block > 0 and isinstance(segments, list) and all(map(_whole, segments))):
        raise ValueError("block or segments are of another kind")
    if segments[:1] != [0] or sorted(set(segments)) != segments or segments[-1] >= max(1, len(keys)):
        raise ValueError("the segments do not divide the rows")
    index = Index(keys, meta, segments, [block_of(each) for each in content["blocks"]], numbers, block)
    places = [block[:2] for block in index.blocks]
    if len(set(places)) < len(places) or not set(places) <= set(index.grid()):
        raise ValueError("the blocks do not divide the rows")
    return index


def block_of(content: Any) -> Block:
    """Raises ValueError or TypeError for JSON that is not a block."""
    start, count, rows, crops = content
    if not (_whole(start) and _whole(count) and isinstance(rows, str) and isinstance(crops, str)):
        raise ValueError("a block is of another kind")
    return Block(start, count, rows, crops)


def _whole(value: object) -> bool:
    return type(value) is int and value >= 0


def index_text(index: Index) -> str:
    """What embeddings.json holds; one line a part, and one a block, for those who look into it."""
    parts = {
        "format": FORMAT,
        "count": len(index.keys),
        "numbers": index.numbers,
        "block": index.block,
        "segments": index.segments,
        "meta": index.meta,
    }
    lines = [f"{json.dumps(name)}: {json.dumps(value)}" for name, value in parts.items()]
    blocks = ",\n".join(json.dumps(block) for block in sorted(index.blocks))
    lines += [f'"blocks": [\n{blocks}\n]', f'"keys": {json.dumps(index.keys)}']
    return "{\n" + ",\n".join(lines) + "\n}\n"
