"""Crops into a store of embeddings: by one process, those of a torchrun, or shares of a job array, and going
on after any stop."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import click

from sphereface_plus.commands.embed_share import crops_hash, embed_blocks, embed_share, left_by_shares, told
from sphereface_plus.commands.progress import Progressed, show_progress
from sphereface_plus.data.formats.embedding_store import JOURNAL, open_embeddings, read_index, store_key
from sphereface_plus.data.formats.embedding_store_writing import finish, prepare
from sphereface_plus.data.formats.embeddings import write_embeddings
from sphereface_plus.data.formats.packs import CropSource
from sphereface_plus.embedding import Embedder, Flip
from sphereface_plus.outputs import claimed
from sphereface_plus.path_checks import is_file_name
from sphereface_plus.processes import Processes
from sphereface_plus.shares import Share, without_shares
from sphereface_plus.words import counted


def embed_to(
    out: Path,
    command: str,
    embedder: Embedder,
    keys: Sequence[str],
    crops: Sequence[CropSource],
    flip: Flip,
    *,
    of: Mapping[str, Any],
    contents: Mapping[str, str],
    batch_size: int = 64,
    processes: Processes | None = None,
    add: bool = False,
    share: Share | None = None,
    progress: Progressed | None = None,
) -> str:
    """What embed_into does, for a place that a command is given: a store in the folder OUT, or OUT.npz.

    command, of, contents: as of outputs.claimed, for an .npz; a store says itself what it is of.
    share: as of embed_share, of a store. progress: told what a share has done, instead of the terminal.
    Returns what the command says at its end, in the main process. Raises PlaceError as well.
    """
    if share is not None:
        shown = show_progress("crops embedded") if progress is None else nullcontext(progress)
        with shown as progress:
            options = {"batch_size": batch_size, "add": add, "progress": progress}
            return told(share, embed_share(out, embedder, keys, crops, flip, share, **options))
    is_file = is_file_name(out)
    is_main = processes is None or processes.is_main
    store = out.with_name(f".{out.name}.unfinished") if is_file else out
    if is_file:
        claim = claimed(out, command, file=True, contents=contents, **of)
    else:
        claim = without_shares(out, JOURNAL.format("*_of_*"))
    with claim if is_main else nullcontext():
        if is_main and not is_file and (words := left_by_shares(out)) is not None:
            click.echo(words, err=True)
        options = {"batch_size": batch_size, "processes": processes, "add": add, "replace": is_file}
        embed_into(store, embedder, keys, crops, flip, **options)
        if is_main and is_file:
            stored = open_embeddings(store)
            row_of = {key: row for row, key in enumerate(stored.keys)}
            rows = stored.rows[[row_of[store_key(key)] for key in keys]]
            write_embeddings(out, keys, rows, stored.meta)
            shutil.rmtree(store)
    if not is_main:  # the main process may not have written the .npz yet
        return ""
    count, numbers = open_embeddings(out).rows.shape
    in_short = "" if embedder.precision == "fp32" else f", in {embedder.precision}"
    return f"{out}: {counted(count, 'embedding')} of {counted(numbers, 'number')}{in_short}"


def embed_into(
    store: Path,
    embedder: Embedder,
    keys: Sequence[str],
    crops: Sequence[CropSource],
    flip: Flip = "none",
    *,
    batch_size: int = 64,
    processes: Processes | None = None,
    add: bool = False,
    replace: bool = False,
) -> None:
    """Embeds crops, which are called by their photo keys, into the store in a folder, with a progress bar.

    What is there already stays; whatever stops it, the same call goes on, to the same bytes. With several
    processes each takes blocks in turn, and all call this together.
    batch_size: crops in one go. add, replace: as of embedding_store_writing.prepare.
    Raises what embed_files and prepare raise, and WriteError.
    """
    names = list(map(store_key, keys))  # all of them, so that two that are one here are refused
    crop_of = dict(zip(names, crops, strict=True))
    rank, world = (processes.rank, processes.world_size) if processes is not None else (0, 1)
    if rank == 0:
        hashed = partial(crops_hash, crop_of)
        prepare(store, names, embedder.meta(flip), hashed, add=add, replace=replace)
    if processes is not None:
        processes.wait_for_all()
    index = read_index(store)
    missing = index.missing()
    mine = missing[rank::world]
    done = len(index.keys) - sum(count for _, count in missing)
    total = done + sum(count for _, count in mine)  # the bar is that of this process's share
    with show_progress("crops embedded") if rank == 0 else nullcontext(lambda *_: None) as progress:
        progress(done, total)
        embed_blocks(
            store,
            index,
            mine,
            embedder,
            crop_of,
            flip,
            batch_size,
            rank,
            lambda now: progress(done + now, total),
        )
    if processes is not None:
        processes.wait_for_all()
    if missing and rank == 0:
        finish(store)
    if processes is not None:
        processes.wait_for_all()
