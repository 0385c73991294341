"""One model on one list of pairs: embeddings, protocol, report. The commands `lfw` and `verify` are this."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from sphereface_plus.data.formats.bins import read_bin
from sphereface_plus.data.formats.pairs import Pairs, PairsError, pairs_hash, read_pairs
from sphereface_plus.environment import record
from sphereface_plus.kfold import FoldsError, folds_of, one_kind_folds, ten_folds, ten_stretches
from sphereface_plus.model_files import contents
from sphereface_plus.outputs import claimed

from . import report as reports
from .errors import PhotosError
from .groups import Groups, check_some, read_groups
from .model import Embedded, ModelAsked, embed_photos
from .pair_groups import pair_groups
from .pair_notes import pair_notes
from .people import names_of, people_of
from .protocols import PROTOCOLS, Protocol
from .public import PUBLIC, public
from .statistics import FARS, with_wanted
from .training_photos import compare_with_training

MIN_PAIRS = 10


@dataclass(frozen=True)
class Verification:
    """What is asked for."""

    title: str
    model: ModelAsked
    pairs_file: Path
    """A list of pairs, or a .bin, which holds their crops too."""
    images: Path | None
    """Crops or photos of the pairs; for embeddings only thumbnails need them."""
    out: Path
    protocol: str
    command: str
    """As it was typed, for the report."""
    groups: Path | None = None
    """CSV of people and their groups."""
    thumbnails: bool = True
    public_names: bool = False
    fars: Sequence[float] = ()
    """FARs beside those that every report has."""


def verify(asked: Verification) -> Path:
    """Measures a model, writes OUT/{report.json,report.html,embeddings} and OUT/public/{report.json,
    report.html}, which may be published (public.py), and returns the page's path.

    Raises UserError (its subclasses) with a sentence for anything that cannot be used.
    """
    with _claimed(asked):
        pairs, images = _pairs_and_images(asked)
        protocol = PROTOCOLS[asked.protocol]
        fold, folds_are = _folds(pairs, asked.pairs_file, protocol)
        groups = _groups(asked, pairs)
        embedded = embed_photos(asked.model, pairs.photos, images, protocol.flip, asked.out, asked.protocol)
        report = _measured(asked, pairs, fold, folds_are, embedded, groups)
        reports.write(public(report, names=asked.public_names), asked.out / PUBLIC, None)
        return reports.write(report, asked.out, embedded.files if asked.thumbnails else None)


def _claimed(asked: Verification) -> AbstractContextManager[None]:
    out, crops, model = asked.out, asked.model.crops, asked.model.name
    if crops is not None and crops.resolve() == out.resolve():
        raise PhotosError(f"{out}: cannot be both the folder of the report and that of --crops; name another")
    file = None if model == "pixels" else Path(model)
    return claimed(
        out,
        "python -m eval",
        within=(PUBLIC,),
        contents=contents(
            model=file, pairs=asked.pairs_file, input=asked.model.input_file, groups=asked.groups
        ),
        model=file or model,
        pairs=asked.pairs_file,
        photos=asked.images,
        protocol=asked.protocol,
        groups=asked.groups,
        **asked.model.other_than_exact,
    )


def _pairs_and_images(asked: Verification) -> tuple[Pairs, Path | None]:
    """The pairs, and where their photos or crops are."""
    file, images = asked.pairs_file, asked.images
    if file.suffix != ".bin":
        return read_pairs(file), images
    if images not in (None, file):
        raise PhotosError(f"{file}: holds the crops of its pairs itself; drop {images}")
    return read_bin(file).pairs, file


def _groups(asked: Verification, pairs: Pairs) -> Groups | None:
    """The groups of people, where asked for. Raises PhotosError where none of the people is in the pairs."""
    if asked.groups is None:
        return None
    groups = read_groups(asked.groups)
    check_some(groups, names_of(pairs).values())
    return groups


def _measured(
    asked: Verification,
    pairs: Pairs,
    fold: np.ndarray,
    folds_are: str,
    embedded: Embedded,
    groups: Groups | None,
) -> dict[str, Any]:
    """The report."""
    keys, protocol, people = pairs.photos, PROTOCOLS[asked.protocol], people_of(pairs)
    row_of = {key: row for row, key in enumerate(keys)}
    first, second = (
        embedded.rows[[row_of[key] for key in of_pairs]] for of_pairs in (pairs.first, pairs.second)
    )
    outcome = protocol.evaluate(first, second, pairs.genuine, fold)
    report = reports.build(
        title=asked.title,
        created=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        command=asked.command,
        model=embedded.model,
        pairs=pairs,
        pairs_record={
            "file": str(asked.pairs_file),
            "sha256": pairs_hash(pairs),
            "count": len(pairs),
            "genuine": int(pairs.genuine.sum()),
            "impostor": int((~pairs.genuine).sum()),
            "photos": len(keys),
            "folds": int(fold.max()) + 1,
            "folds_are": folds_are,
            "notes": pair_notes(pairs, people, embedded.rows, embedded.files),
        },
        people=people,
        fold=fold,
        protocol=protocol,
        outcome=outcome,
        fars=with_wanted(FARS, asked.fars),
        preparation=embedded.preparation,
        training=compare_with_training(pairs, embedded.trained_on, embedded.files),
        environment=record(gpu=embedded.runs_on == "cuda"),
    )
    if groups is not None:
        name_of = names_of(pairs)
        names = ([name_of[key] for key in pairs.first], [name_of[key] for key in pairs.second])
        report["per_group"] = pair_groups(names, people, pairs.genuine, outcome.correct, groups)
    return report


def _folds(pairs: Pairs, pairs_file: Path, protocol: Protocol) -> tuple[np.ndarray, str]:
    """The list's folds, or ten of a list or .bin that has none, and which of the two in words."""
    count = int(pairs.fold.max()) + 1
    if count > 1:
        try:
            return folds_of(pairs.genuine, pairs.fold), f"The {count} folds are those of the list."
        except FoldsError as error:
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
