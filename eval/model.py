"""From MODEL and images to the embeddings of photos, and to a record of what they are.

Each photo is embedded once, and stored, so that an interrupted run goes on; under torchrun each process
embeds a share. `embed` (embed_command.py) does it in a place of the user's, with whatever has a crop. One or
two photos that a person asks about, by `who` and `same`, are a batch of their own, which nothing keeps.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from sphereface_plus.data.crops import fingerprint as crops_fingerprint
from sphereface_plus.data.formats.embedding_store import Embeddings, is_store, open_embeddings, store_key
from sphereface_plus.data.formats.embeddings import EmbeddingsError
from sphereface_plus.model_files import resolve, sha256

from .errors import PhotosError
from .photos import Images, crops_for, find_images, fingerprint, first_three
from .ranks import several, together

if TYPE_CHECKING:
    from sphereface_plus.commands.model_argument import Precision
    from sphereface_plus.data.formats.packs import CropSource
    from sphereface_plus.data.trained_on import TrainedOn
    from sphereface_plus.embedding import Embedder, Flip
    from sphereface_plus.processes import Processes

STORE = "embeddings"
"""The folder within a report's that keeps the embeddings."""
NOT_PREPARED = {
    "words": "Embeddings came from a file.",
    "methods": {},
    "not_detected": [],
    "settings": {},
}


@dataclass(frozen=True)
class ModelAsked:
    """MODEL, and how it is to be used."""

    name: str
    """A run folder, a checkpoint, a weight file, an ONNX file, embeddings (a store's folder or an .npz), or
    the word pixels."""
    input_file: Path | None = None
    """The input spec of pixels, or of an ONNX file with none beside it."""
    crops: Path | None = None
    """Where photos are aligned into; OUT/crops if not given."""
    workers: int | None = None
    """Processes that align photos; the number of cores if not given."""
    device: str = "auto"
    precision: Precision = "fp32"

    @property
    def other_than_exact(self) -> dict[str, Any]:
        """What a report's place is claimed with beside the model: its precision, where that is not fp32."""
        return {} if self.precision == "fp32" else {"precision": self.precision}


@dataclass(frozen=True)
class Embedded:
    """The embeddings of photos, and what they are of."""

    rows: np.ndarray
    """(N, D), in the order of the keys that were asked for."""
    model: dict[str, Any]
    """What a report says about the model; plain data."""
    preparation: dict[str, Any]
    """What a report says about how the crops were made; plain data."""
    files: Mapping[str, CropSource] | None
    """Photo key -> crop, where the crops are available."""
    trained_on: TrainedOn | None = None
    """None where the model does not say it."""
    runs_on: str = "cpu"
    several_faces: frozenset[str] = frozenset()
    """Keys of photos that show several faces, as far as a manifest says so."""


def embed_photos(
    asked: ModelAsked,
    keys: Sequence[str],
    images: Path | Images | None,
    flip: Flip,
    out: Path,
    protocol: str = "",
) -> Embedded:
    """The embeddings of the photos of these keys.

    images: crops or photos; embeddings need none. out: keeps the embeddings, and crops of photos. protocol:
    that of verification, which tells the flip fusion; none where --flip does.
    Raises PhotosError, EmbeddingsError, and what the model and the crops are refused for.
    """
    if asked.name.endswith(".npz") or is_store(asked.name):
        place = images.folder if isinstance(images, Images) else images
        of_bin = place if place is not None and place.suffix == ".bin" and place.is_file() else None
        rows, record = stored_embeddings(Path(asked.name), keys, flip, of_bin, protocol)
        found = find_images(images) if isinstance(images, Path) else images
        return Embedded(rows, record, NOT_PREPARED, found.files if found is not None else None)
    from sphereface_plus.commands.model_argument import model_record

    if images is None:
        raise PhotosError(
            "photos or crops are needed unless the model is an .npz of embeddings; name their folder"
        )
    embedder = opened(asked)
    crops = asked.crops or out / "crops"
    found, preparation = crops_for(keys, images, embedder.input, crops=crops, workers=asked.workers)
    embedder, rows = computed_embeddings(asked, embedder, found, keys, flip, out / STORE)
    record = model_record(embedder, asked.name, flip)
    return Embedded(
        rows, record, preparation, found.files, embedder.trained_on, embedder.runs_on, found.several
    )


def stored_embeddings(
    path: Path, keys: Sequence[str], flip: Flip, bin_file: Path | None = None, protocol: str = ""
) -> tuple[np.ndarray, dict[str, Any]]:
    """Embeddings (N, D) of the keys from a store or an .npz, and the model's record. Raises EmbeddingsError.

    flip: the protocol's; a file that states another one is refused, a file that states none is taken at its
    word.
    bin_file: the .bin that the keys are of. They are numbers, the same in each .bin, so that only the
    fingerprint of its crops tells whose embeddings these are; again a file that states none is believed.
    """
    stored = open_embeddings(path, check=True)
    meta, known = stored.meta, set(stored.keys)
    names = keys if stored.index is None else [store_key(key) for key in keys]
    missing = [key for key, name in zip(keys, names, strict=True) if name not in known]
    if missing:
        raise EmbeddingsError(
            f"{path}: has no embedding of {len(missing):,} of the {len(keys):,} photos asked for "
            f"({first_three(missing)}); embed the crops of them all, or ask for those that it has"
        )
    stated, ours = meta.get("flip"), "fingerprint" in meta
    if stated not in (None, flip):
        by, other = (
            (f"the protocol {protocol} needs {flip}", "choose another protocol")
            if protocol
            else (f"{flip} is asked for", f"give --flip {stated}")
        )
        raise EmbeddingsError(
            f"{path}: holds embeddings of flip fusion {stated}, and {by}; make them again with "
            f"--flip {flip}, or {other}"
        )
    if bin_file is not None and _of_others(stored, find_images(bin_file)):
        raise EmbeddingsError(
            f"{path}: its embeddings are of other crops than those of {bin_file}; give the model itself, or "
            "the .bin that they were made from"
        )
    asks = "the protocol asks for" if protocol else "--flip asks for"
    record = stored_record(
        str(path),
        path.stem,
        "embeddings",
        sha256=sha256(resolve(path)),
        flip=stated or f"as in the file, which does not state it; {asks} {flip}",
        precision=meta.get("precision", "fp32" if ours else None),
        input=meta.get("input"),
        provenance={"from model": meta["fingerprint"]} if ours else {},
    )
    return _rows_of(stored, names), record


def stored_record(
    name: str,
    label: str,
    kind: str,
    *,
    flip: str,
    sha256: str | None = None,
    precision: str | None = None,
    input: Mapping[str, Any] | None = None,
    provenance: Mapping[str, Any] = MappingProxyType({}),
) -> dict[str, Any]:
    """What a report says about a model that only embeddings are there of, in model_record's fields; None: the
    files do not say it."""
    return {
        "name": name,
        "label": label,
        "kind": kind,
        "sha256": sha256,
        "flip": flip,
        "precision": precision,
        "input": input,
        "provenance": dict(provenance),
    }


def _rows_of(stored: Embeddings, names: Sequence[str]) -> np.ndarray:
    """Those of these keys; all of them in their order stay memory-mapped."""
    if list(names) == stored.keys:
        return stored.rows
    row_of = {key: row for row, key in enumerate(stored.keys)}
    return stored.rows[[row_of[name] for name in names]]


def _of_others(stored: Embeddings, images: Images) -> bool:
    """Whether embeddings are certainly of other crops than these."""
    if stored.index is None:
        return stored.meta.get("crops") not in (None, fingerprint(images))
    for block in stored.index.blocks:
        keys = stored.keys[block.start : block.start + block.count]
        if not all(key in images.files for key in keys):
            return True
        if crops_fingerprint(keys, [images.files[key] for key in keys]) != block.crops:
            return True
    return False


def opened(asked: ModelAsked) -> Embedder:
    """The model, on this process's own GPU where it runs on one. Raises what open_model raises."""
    import torch

    from sphereface_plus.commands.model_argument import open_model
    from sphereface_plus.processes import take_own_gpu

    if several() and asked.device != "cpu" and torch.cuda.is_available():
        take_own_gpu()
    return open_model(asked.name, asked.input_file, asked.device, asked.precision)


def computed_embeddings(
    asked: ModelAsked, embedder: Embedder, images: Images, keys: Sequence[str], flip: Flip, store: Path
) -> tuple[Embedder, np.ndarray]:
    """The embedder that embed_together returns, and embeddings (N, D) of the keys' crops; the folder `store`
    keeps what is done, and is taken up where it fits. Raises what embed_together raises."""
    from sphereface_plus.commands.embed_into import embed_into

    into = partial(embed_into, store, replace=True)
    embedder, _ = embed_together(asked, embedder, images, keys, flip, into)
    return embedder, _rows_of(open_embeddings(store), [store_key(key) for key in keys])


def embed_together(
    asked: ModelAsked,
    embedder: Embedder,
    images: Images,
    keys: Sequence[str],
    flip: Flip,
    into: Callable[..., Any],
) -> tuple[Embedder, Any]:
    """Embeds the crops of the keys with all processes of the command (ranks.py).

    embedder: of `asked`, which the others open themselves. into: embed_into or embed_to, with the arguments
    that come before and behind those of the photos.
    Returns the embedder in the precision that all processes are fast in, and what `into` returns.
    Raises EmbeddingsError where the model gives numbers that are not finite, CropsError and SpecError for
    crops that do not serve.
    """
    crops = [images.files[key] for key in keys]
    return together(_embed, asked, list(keys), crops, flip, into, embedder=embedder)


def _embed(
    asked: ModelAsked,
    keys: Sequence[str],
    crops: Sequence[CropSource],
    flip: Flip,
    into: Callable[..., Any],
    *,
    embedder: Embedder | None = None,
    processes: Processes | None = None,
) -> tuple[Embedder, Any]:
    """The share of this process."""
    embedder = embedder or opened(asked)
    if processes is not None:
        embedder = _of_all(embedder, processes)
    return embedder, into(embedder, keys, crops, flip, processes=processes)


def _of_all(embedder: Embedder, processes: Processes) -> Embedder:
    """The same model in one precision. Raises PhotosError where it is another one in process 0."""
    from sphereface_plus.precision import that_all_have

    if processes.mains(embedder.fingerprint) != embedder.fingerprint:
        raise PhotosError(
            f"{embedder.name}: is another model for process {processes.rank} than for process 0; the "
            "machines of a torchrun need one folder that all of them see"
        )
    return replace(embedder, precision=that_all_have(embedder.precision, processes))
