"""Features in the kit's files into a store of embeddings, which is memory-mapped: a million need no memory.

What is in the store stays while the files have the same names, sizes and times of change. Whatever stops the
reading, the same call goes on. Nothing is skipped: what cannot be used is counted and named.
"""

from __future__ import annotations

import hashlib
import shutil
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from sphereface_plus.commands.progress import show_progress
from sphereface_plus.data.formats.embedding_store import Index, open_embeddings, store_key
from sphereface_plus.data.formats.embedding_store_writing import finish, prepare, write_block
from sphereface_plus.data.formats.megaface_features import read_feature
from sphereface_plus.data.formats.megaface_lists import MegaFaceError

from ..photos import first_three
from ..scores import without_direction

KIND = "features of MegaFace's kit"


def stored_features(folder: Path, paths: Sequence[str], suffix: str, store: Path, what: str) -> np.ndarray:
    """The features (N, D) of images in the order of `paths`, memory-mapped from the folder `store`.

    what: probes or distractors, for the progress. Raises MegaFaceError, which counts and names the files, for
    those that are damaged, of another dimension than the others, not finite or zero; and EmbeddingsError.
    """
    keys = [store_key(path) for path in paths]
    file_of = {key: folder / f"{path}{suffix}" for key, path in zip(keys, paths, strict=True)}

    def files_hash(of: Sequence[str]) -> str:
        digest = hashlib.sha256()
        for key in of:
            about = file_of[key].stat()
            digest.update(f"{key}\t{about.st_size}\t{about.st_mtime_ns}\n".encode(errors="surrogateescape"))
        return digest.hexdigest()

    def index_of_store() -> Index:
        return prepare(store, keys, {"kind": KIND, "suffix": suffix}, files_hash, replace=True)

    index = index_of_store()
    if index.keys != keys:  # images were added to the lists: another order would not stay memory-mapped
        shutil.rmtree(store)
        index = index_of_store()
    missing = index.missing()
    done, numbers = len(keys) - sum(count for _, count in missing), index.numbers
    wrong: dict[str, list[str]] = defaultdict(list)
    with show_progress(f"features of {what}") as progress:
        progress(done, len(keys))
        for start, count in missing:
            names = keys[start : start + count]
            before = files_hash(names)  # a file that changes while it is read is seen the next time
            rows = _read(folder, [file_of[name] for name in names], numbers, wrong)
            if rows is not None:
                write_block(store, index, start, rows, before)
                numbers = numbers or rows.shape[1]
            done += count
            progress(done, len(keys))
    if wrong:
        parts = [f"{len(names):,} {kind} ({first_three(names)})" for kind, names in wrong.items()]
        number = sum(map(len, wrong.values()))
        raise MegaFaceError(
            f"{folder}: {number:,} of the {len(keys):,} features of {what} cannot be used: {'; '.join(parts)}"
            "; extract them again, or take these images off the lists"
        )
    if missing:
        finish(store)
    return open_embeddings(store).rows


def _read(
    folder: Path, files: Sequence[Path], numbers: int | None, wrong: dict[str, list[str]]
) -> np.ndarray | None:
    """A block's features (n, D), D = numbers where that is known; None where one of them cannot be used,
    which goes into `wrong`, words -> names."""
    before = sum(map(len, wrong.values()))
    found: dict[str, np.ndarray] = {}
    for file in files:
        name = file.relative_to(folder).as_posix()
        try:
            found[name] = read_feature(file)
        except MegaFaceError as error:
            wrong["damaged"].append(str(error).removeprefix(f"{folder}/").partition(";")[0])
    if found and numbers is None:
        numbers = Counter(map(len, found.values())).most_common(1)[0][0]
    for name, feature in found.items():
        if len(feature) != numbers:
            wrong[f"of other than {numbers} numbers"].append(name)
    names = [name for name, feature in found.items() if len(feature) == numbers]
    rows = np.array([found[name] for name in names])
    bad = without_direction(rows) if len(rows) else []
    if len(bad):
        wrong["not finite, or 0"] += [names[row] for row in bad]
    return rows if sum(map(len, wrong.values())) == before else None
