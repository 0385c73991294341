"""Whether the photos of a test are those of the training: by the names of people, and by the crops' marks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from sphereface_plus.data.formats.bins import BinPairs
from sphereface_plus.data.formats.packs import CropSource, PackedCrop
from sphereface_plus.data.formats.pairs import Pairs
from sphereface_plus.data.trained_on import TrainedOn, image_length, marks, same_name
from sphereface_plus.words import counted

from .people import names_of

UNKNOWN = "The model does not say what it was trained on: whether these people were among it is not known."


def compare_with_training(
    pairs: Pairs, trained_on: TrainedOn | None, files: Mapping[str, CropSource] | None
) -> dict[str, Any]:
    """The report's part `training`, plain data with a sentence in `words`; `warning`: whether it is bad news.

    files: photo key -> crop of the pairs, where they are available.
    People are the same where their names are (trained_on.same_name). A name that is only a number says
    nothing across data sets: it counts where a crop of that person is the training's own, and it denies
    nothing. Neither do the photos of a .bin, which have no names. Then `doubts` holds why it is not known.
    """
    if trained_on is None or not trained_on.identities:
        return {"known": False, "warning": False, "words": UNKNOWN}
    found, touched = _compared(names_of(pairs), trained_on, files)
    both = zip(pairs.first, pairs.second, strict=True)
    number = sum(first in touched or second in touched for first, second in both)
    return _with_words(found | {"pairs": len(pairs), "pairs_touched": number}, "pair")


def compare_searches(
    person_of: Mapping[str, str | None],
    trained_on: TrainedOn | None,
    files: Mapping[str, CropSource] | None,
) -> dict[str, Any]:
    """The same for photos that are searched for, or among: person_of: photo key -> its person's name."""
    if trained_on is None or not trained_on.identities:
        return {"known": False, "warning": False, "words": UNKNOWN}
    found, touched = _compared(person_of, trained_on, files)
    return _with_words(found | {"photos_touched": len(touched)}, "photo")


def _with_words(found: dict[str, Any], what: str) -> dict[str, Any]:
    found = found | {"warning": found[f"{what}s_touched"] > 0}
    return found | {"words": _words(found, what)}


def _compared(
    person_of: Mapping[str, str | None], trained_on: TrainedOn, files: Mapping[str, CropSource] | None
) -> tuple[dict[str, Any], set[str]]:
    """What is known, and the keys of the photos that are of the training."""
    keys = list(person_of)
    own = _own_crops(keys, trained_on, files)
    known = {same_name(name) for name in trained_on.identities}
    shown = {person_of[keys[index]] for index in np.flatnonzero(own)} if own is not None else set()
    people = sorted({person for person in person_of.values() if person})
    common = {
        person
        for person in people
        if same_name(person) in known and (not same_name(person).isdecimal() or person in shown)
    }
    is_own = dict(zip(keys, own.tolist(), strict=True)) if own is not None else {}
    found = {
        "known": True,
        "complete": trained_on.complete,
        "trained_identities": len(trained_on.identities),
        "people": len(people),
        "people_in_training": sorted(common),
        "photos": len(keys),
        "crops_in_training": None if own is None else int(own.sum()),
        "doubts": _doubts(trained_on, people, sum(person is None for person in person_of.values())),
    }
    return found, {key for key in keys if person_of[key] in common or is_own.get(key, False)}


def about_training(report: Mapping[str, Any]) -> str | None:
    """What the terminal says of a report's part `training`: bad news, or that it is not known.

    Raw pixels were not trained.
    """
    training = report["training"]
    if training["warning"]:
        return f"warning: {training['words']}"
    sure = training["known"] and training["complete"] and not training["doubts"]
    return None if sure or report["model"]["kind"] == "pixels" else f"note: {training['words']}"


def _own_crops(
    keys: Sequence[str], trained_on: TrainedOn, files: Mapping[str, CropSource] | None
) -> np.ndarray | None:
    """Bool (N,): which are the training's; None where either side is not known."""
    if files is None or not len(trained_on.crops) or not all(key in files for key in keys):
        return None
    sources = [files[key] for key in keys]
    if any(isinstance(source, PackedCrop) and isinstance(source.pack, BinPairs) for source in sources):
        return None  # a .bin has numbers for keys
    return np.isin(marks(keys, map(image_length, sources)), trained_on.crops)


def _doubts(trained_on: TrainedOn, people: Sequence[str], num_nameless: int) -> list[str]:
    """Why names cannot show that people were not trained on; empty where they can."""
    doubts = []
    if numbers := sum(same_name(name).isdecimal() for name in trained_on.identities):
        total = counted(len(trained_on.identities), "identity")
        doubts.append(f"{numbers:,} of {total} trained on have a number for a name")
    if numbers := sum(same_name(name).isdecimal() for name in people):
        doubts.append(f"{numbers:,} of {counted(len(people), 'person')} here have a number for a name")
    if num_nameless:
        doubts.append(f"the names of {counted(num_nameless, 'photo')} do not say who is on them")
    return doubts


def _words(found: Mapping[str, Any], what: str) -> str:
    common, crops = len(found["people_in_training"]), found["crops_in_training"]
    if not found["warning"]:
        if found["doubts"]:
            return f"Whether these people were trained on is not known: {', and '.join(found['doubts'])}."
        told = [
            f"none of the {counted(found['people'], 'person')} is among the "
            f"{found['trained_identities']:,} trained on, by their names"
        ]
        if crops is not None:
            told.append(
                f"none of the {counted(found['photos'], 'crop')} is one of the training's, by name and length"
            )
        end = (
            "" if found["complete"] else "; what the training began with does not say what it was trained on"
        )
        sentence = " and ".join(told)
        return f"{sentence[0].upper()}{sentence[1:]}{end}."
    parts = []
    if common:
        parts.append(f"{common:,} of {counted(found['people'], 'person')} trained on, by their names")
    if crops:
        parts.append(f"{crops:,} of {counted(found['photos'], 'crop')} from the training itself")
    touched = f"{found[f'{what}s_touched']:,} of {counted(found[f'{what}s'], what)}"
    number = "accuracy" if what == "pair" else "report"
    return (
        f"{touched} hold what the model was trained on: {' and '.join(parts)}. The {number} says how well "
        "the training set was learned, not how well other people will be told apart; measure on people that "
        "were not trained on (data.exclude leaves people out of a training)."
    )
