"""A share of the blocks of a store of embeddings, while other processes make the others (shares.py)."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

from sphereface_plus.commands.progress import Progressed
from sphereface_plus.data.crops import fingerprint
from sphereface_plus.data.formats.embedding_store import JOURNAL, Index, is_store, read_index, store_key
from sphereface_plus.data.formats.embedding_store_writing import (
    prepare_share,
    to_make,
    unwritten,
    write_block,
)
from sphereface_plus.data.formats.embeddings import EmbeddingsError
from sphereface_plus.data.formats.packs import CropSource
from sphereface_plus.embedding import Embedder, Flip, embed_files
from sphereface_plus.outputs import locked
from sphereface_plus.shares import Share, beginning
from sphereface_plus.words import counted


def embed_share(
    store: Path,
    embedder: Embedder,
    keys: Sequence[str],
    crops: Sequence[CropSource],
    flip: Flip,
    share: Share,
    *,
    batch_size: int = 64,
    add: bool = False,
    progress: Progressed,
) -> int:
    """A share of the blocks of embed_into, while other processes may make the others; returns the number of
    its embeddings. The call without a share joins them.

    progress: told how many are done, of how many. Raises what embed_into raises, and PlaceError;
    EmbeddingsError also where the store is finished and crops have changed since, which joining takes.
    """
    names = list(map(store_key, keys))  # all of them, so that two that are one here are refused
    crop_of = dict(zip(names, crops, strict=True))
    with locked(store / JOURNAL.format(share.name), file=True):
        index = prepare_share(store, names, embedder.meta(flip), partial(beginning, store), add=add)
        mine = share.of(list(index.grid()))
        left = to_make(store, index, mine, names, partial(crops_hash, crop_of))
        if left and not index.missing():
            raise EmbeddingsError(
                f"{store}: is finished, and {counted(sum(count for _, count in left), 'embedding')} "
                "damaged or of crops that have changed since; the same command without --shard or "
                "--scheduler takes them"
            )
        total = sum(count for _, count in mine)
        done = total - sum(count for _, count in left)
        progress(done, total)
        embed_blocks(
            store,
            index,
            left,
            embedder,
            crop_of,
            flip,
            batch_size,
            share.name,
            lambda now: progress(done + now, total),
        )
    return total


def left_by_shares(store: Path) -> str | None:
    """A sentence about the shares that have not made all of their blocks; None where all have, or there were
    none. Raises EmbeddingsError for a damaged store."""
    names = [
        re.fullmatch(r"done\.[0-9]+_of_([0-9]+)\.jsonl", path.name) for path in store.glob("done.*.jsonl")
    ]
    counts = {int(name[1]) for name in names if name is not None}
    if len(counts) != 1 or not is_store(store):
        return None
    (count,) = counts
    index = read_index(store)
    grid, missing = list(index.grid()), set(unwritten(store, index))
    shares = [
        number
        for number in range(1, min(count, len(grid)) + 1)  # those behind have no block, nor does a wrong name
        if missing.intersection(Share(number, count).of(grid))
    ]
    if not shares:
        return None
    named = ", ".join(f"{number}/{count}" for number in shares[:5]) + (", ..." if len(shares) > 5 else "")
    photos = counted(sum(number for _, number in missing), "crop")
    if len(shares) == 1:
        return f"{store}: share {named} is missing or was stopped; its {photos} are embedded now"
    return f"{store}: shares {named} are missing or were stopped; their {photos} are embedded now"


def told(share: Share, number: int) -> str:
    """What the command says at the end of a share."""
    return (
        f"share {share}: {counted(number, 'embedding')}\nnext: when all shares have ended, the same command "
        "without --shard joins them, and embeds what a killed one has left"
    )


def crops_hash(crop_of: Mapping[str, CropSource], keys: Sequence[str]) -> str:
    return fingerprint(keys, [crop_of[key] for key in keys])


def embed_blocks(
    store: Path,
    index: Index,
    places: Sequence[tuple[int, int]],
    embedder: Embedder,
    crop_of: Mapping[str, CropSource],
    flip: Flip,
    batch_size: int,
    process: int | str,
    progress: Callable[[int], object],
) -> None:
    """Makes the blocks (start, count) of a store; progress is told how many embeddings are done."""
    done = 0
    for start, count in places:
        names = index.keys[start : start + count]
        before = crops_hash(crop_of, names)  # a crop that changes while it is read is seen the next time
        rows = embed_files(
            embedder,
            [crop_of[name] for name in names],
            flip=flip,
            batch_size=batch_size,
            progress=lambda now, done=done: progress(done + now),
        )
        write_block(store, index, start, rows, before, process=process)
        done += count
