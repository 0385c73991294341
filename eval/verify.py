"""One model on one list of pairs: embeddings, protocol, report. The commands `lfw` and `verify` are this."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from sphereface_plus.data.formats.bins import read_bin
from sphereface_plus.data.formats.pairs import Pairs, PairsError, pairs_hash, read_pairs
from sphereface_plus.environment import record
from sphereface_plus.kfold import folds_of, one_kind_folds, ten_folds, ten_stretches
from sphereface_plus.model_files import contents
from sphereface_plus.outputs import claimed

from . import report as reports
from .errors import PhotosError
from .model import computed_embeddings, model_record, stored_embeddings
from .pair_notes import pair_notes
from .people import people_of
from .photos import crops_for, find_images
from .protocols import PROTOCOLS, Protocol
from .public import PUBLIC, public
from .training_photos import compare_with_training

MIN_PAIRS = 10


def verify(
    *,
    title: str,
    model: str,
    pairs_file: Path,
    images: Path | None,
    out: Path,
    protocol: str,
    command: str,
    input_file: Path | None = None,
    crops: Path | None = None,
    workers: int | None = None,
    device: str = "auto",
    thumbnails: bool = True,
    public_names: bool = False,
) -> Path:
    """Measures a model, writes OUT/{report.json,report.html,embeddings.npz} and OUT/public/{report.json,
    report.html}, which may be published (public.py), and returns the page's path.

    model: a run folder, a checkpoint, a weight file, an ONNX file, an .npz of embeddings, or the word pixels.
    pairs_file: a list of pairs, or a .bin, which holds their crops too.
    images: crops or photos of the pairs; for an .npz only thumbnails need them.
    crops: where photos are aligned into, by default OUT/crops.
    Raises ValueError (its subclasses) with a sentence for anything that cannot be used.
    """
    if crops is not None and crops.resolve() == out.resolve():
        raise PhotosError(f"{out}: cannot be both the folder of the report and that of --crops; name another")
    claim = claimed(
        out,
        "python -m eval",
        within=(PUBLIC,),
        contents=contents(model=None if model == "pixels" else model, pairs=pairs_file, input=input_file),
        model=model if model == "pixels" else Path(model),
        pairs=pairs_file,
        photos=images,
        protocol=protocol,
    )
    with claim:
        if pairs_file.suffix == ".bin":
            if images not in (None, pairs_file):
                raise PhotosError(f"{pairs_file}: holds the crops of its pairs itself; drop {images}")
            pairs, images = read_bin(pairs_file).pairs, pairs_file
        else:
            pairs = read_pairs(pairs_file)
        chosen = PROTOCOLS[protocol]
        fold, folds_are = _folds(pairs, pairs_file, chosen)
        keys = pairs.photos
        if model.endswith(".npz"):
            of_bin = pairs_file if pairs_file.suffix == ".bin" else None
            embeddings, of_model = stored_embeddings(Path(model), keys, chosen.flip, of_bin)
            files = find_images(images).files if images else None
            runs_on, trained_on = "cpu", None
            preparation = {
                "words": "Embeddings came from a file.",
                "methods": {},
                "not_detected": [],
                "settings": {},
            }
        else:
            from sphereface_plus.config import load_input_spec
            from sphereface_plus.embedding import Embedder

            if images is None:
                raise PhotosError(
                    "photos or crops are needed unless the model is an .npz of embeddings; name their folder"
                )
            spec = load_input_spec(input_file) if input_file else None
            embedder = Embedder.load(model, input=spec, device=device)
            of_model, runs_on = model_record(embedder, model, chosen.flip), embedder.runs_on
            trained_on = embedder.trained_on
            found, preparation = crops_for(
                keys, images, embedder.input, crops=crops or out / "crops", workers=workers
            )
            files = found.files
            embeddings = computed_embeddings(embedder, found, keys, chosen.flip, out / "embeddings.npz")
        row_of = {key: row for row, key in enumerate(keys)}
        first = embeddings[[row_of[key] for key in pairs.first]]
        second = embeddings[[row_of[key] for key in pairs.second]]
        people = people_of(pairs)
        report = reports.build(
            title=title,
            created=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
            command=command,
            model=of_model,
            pairs=pairs,
            pairs_record={
                "file": str(pairs_file),
                "sha256": pairs_hash(pairs),
                "count": len(pairs),
                "genuine": int(pairs.genuine.sum()),
                "impostor": int((~pairs.genuine).sum()),
                "photos": len(keys),
                "folds": int(fold.max()) + 1,
                "folds_are": folds_are,
                "notes": pair_notes(pairs, people, embeddings, files),
            },
            people=people,
            fold=fold,
            protocol=chosen,
            outcome=chosen.evaluate(first, second, pairs.genuine, fold),
            preparation=preparation,
            training=compare_with_training(pairs, trained_on, files),
            environment=record(gpu=runs_on == "cuda"),
        )
        reports.write(public(report, names=public_names), out / PUBLIC, None)
        return reports.write(report, out, files if thumbnails else None)


def _folds(pairs: Pairs, pairs_file: Path, protocol: Protocol) -> tuple[np.ndarray, str]:
    """The list's folds, or ten of a list or .bin that has none, and which of the two in words."""
    count = int(pairs.fold.max()) + 1
    if count > 1:
        try:
            return folds_of(pairs.genuine, pairs.fold), f"The {count} folds are those of the list."
        except ValueError as error:
            raise PairsError(f"{pairs_file}: {error}") from None
    genuine, impostor = int(pairs.genuine.sum()), int((~pairs.genuine).sum())
    if min(genuine, impostor) < MIN_PAIRS:
        raise PairsError(
            f"{pairs_file}: ten folds need at least {MIN_PAIRS} genuine and {MIN_PAIRS} impostor pairs, "
            f"the list has {genuine} and {impostor}"
        )
    if pairs_file.suffix == ".bin" and protocol.stretches:
        fold = ten_stretches(len(pairs))
        wrong = len(one_kind_folds(pairs.genuine, fold))
        words = (
            "A .bin has no folds; its pairs were cut into ten stretches in their order, as the protocol does."
        )
        if wrong:
            words += (
                f" {wrong} of them hold one kind of pairs only, as the file is sorted by kind, and that "
                "alone lowers the accuracy: data_prep's make-bin mixes the kinds, and the other protocols "
                "cut each kind by itself."
            )
        return fold, words
    what = "A .bin" if pairs_file.suffix == ".bin" else "The list"
    return ten_folds(pairs.genuine), (
        f"{what} has no folds; its genuine and its impostor pairs were each cut into ten stretches, in their "
        "order."
    )
