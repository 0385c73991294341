"""A pairs list of somebody's own crops, and who must not be trained on.

    OUT/pairs.csv       path1,path2,label,fold: a row a pair, as `python -m eval verify` and validation.pairs
                        read it (sphereface_plus/data/formats/pairs.py)
    OUT/verified.txt    the people in it, a name a line, as data.exclude_file reads it

Both depend on the crops' names and the seed alone, not on the order in which a disk lists them.
"""

from __future__ import annotations

import csv
import io
import json
import shlex
from collections import Counter
from collections.abc import Callable, Container, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from sphereface_plus.config import InputSpec, parse_value
from sphereface_plus.data.faces import FaceCrops
from sphereface_plus.data.formats.keys import photo_key
from sphereface_plus.data.trained_on import same_name
from sphereface_plus.files import NewFiles
from sphereface_plus.words import counted

from .earlier_split import EarlierSplit
from .errors import PrepError
from .pair_choice import Choice, choose
from .whole_crops import unusable

PAIRS, VERIFIED = "pairs.csv", "verified.txt"
NAMED = 5
"""Images that cannot be used, of which a message names so many."""
RECIPE, MIN_IMAGES = "configs/face/lfw.yaml", 3
"""What to train first: minutes on a CPU; and the crops of a person that it asks for."""


@dataclass(frozen=True)
class Written:
    """What was made of a set."""

    crops: FaceCrops
    choice: Choice
    photos: list[list[str]]
    """Photo keys of each identity that may be compared."""
    left_out: int
    """Photos that could be compared with nobody's: their name is another's, too, or no list can hold it."""
    unusable: dict[str, str] = field(default_factory=dict)
    """Path of an image that is in no pair, as it is broken or of another size -> why."""
    changes: list[str] = field(default_factory=list)
    """What is another than in the split that was there before, in a line each."""


def write_pairs(
    source: Path,
    out: Path,
    *,
    share: float | None = None,
    folds: int | None = None,
    pairs: int | None = None,
    seed: int = 0,
    progress: Callable[[int, int, int], None] | None = None,
) -> Written:
    """Writes both files into the folder `out`, or none of them, of the crops in `source`, in a form that
    training reads (faces.py). What is asked for: pair_choice.choose.

    progress: as of whole_crops.unusable.
    Raises PrepError where there are too few people or photos, or photos instead of crops, and what
    FaceCrops.open raises.
    """
    crops = FaceCrops.open(source)
    wrong = unusable(crops, source, progress)
    photos = _comparable(crops, wrong)
    try:
        choice = choose([len(keys) for keys in photos], share=share, folds=folds, pairs=pairs, seed=seed)
    except PrepError as error:
        raise PrepError(f"{source}: {error}") from None
    rows = [
        (*(_written(photos[person][photo]) for person, photo in (pair.first, pair.second)), pair)
        for pair in choice.pairs
    ]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["path1", "path2", "label", "fold"])
    writer.writerows((one, other, int(pair.genuine), pair.fold + 1) for one, other, pair in rows)
    table, names = text.getvalue().encode(), [crops.identities[person] for person in choice.people]
    earlier = EarlierSplit.of(out / PAIRS, out / VERIFIED)
    changes = [] if earlier is None else earlier.changes(table, crops.identities, frozenset(names))
    with NewFiles() as new:
        new.open(out / PAIRS).write(table)
        new.open(out / VERIFIED).write("".join(f"{name}\n" for name in names).encode())
    left_out = len(crops.keys) - len(wrong) - sum(map(len, photos))
    named = {str(crops.paths[index]): why for index, why in wrong.items()}
    return Written(crops, choice, photos, left_out, named, changes)


def _comparable(crops: FaceCrops, wrong: Container[int]) -> list[list[str]]:
    """Photo keys of each identity, sorted, that name one photo; of people whom no name takes for another.

    wrong: indices of images that cannot be used."""
    often = Counter(crops.keys)
    people = Counter(map(same_name, crops.identities))
    photos: list[list[str]] = [[] for _ in crops.identities]
    for index, (key, label) in enumerate(zip(crops.keys, crops.labels, strict=True)):
        if index in wrong:
            continue
        name = crops.identities[label]
        alone = often[key] == 1 and people[same_name(name)] == 1
        if alone and _is_one_line(key) and _is_one_line(name):
            photos[label].append(key)
    return [sorted(keys) for keys in photos]


def _is_one_line(name: str) -> bool:
    """Whether a list, which is read line by line and without white space at the ends, can hold the name."""
    return name.splitlines() == [name] and name == name.strip() and "\0" not in name


def _written(key: str) -> str:
    """As a list has it: a key that ends like an image's name would lose that end."""
    return key if photo_key(key) == key else f"{key}.png"


def told(written: Written, source: Path, out: Path) -> Iterator[str]:
    """What was made, and the commands that come next."""
    choice, crops = written.choice, written.crops
    others = len(crops.identities) - len(choice.people)
    kind = len(choice.pairs) // 2
    yield (
        f"{len(choice.people):,} of {counted(len(crops.identities), 'person')} to verify, {others:,} to "
        f"train on: {out / VERIFIED}"
    )
    yield (
        f"{kind:,} genuine and {kind:,} impostor pairs in {counted(choice.num_folds, 'fold')}: {out / PAIRS}"
    )
    if choice.disjoint:
        yield "  nobody is in two folds"
    else:
        yield (
            f"  people are in several folds: {choice.num_folds} folds of their own people need "
            f"{2 * choice.num_folds} people to verify, two each"
        )
    yield (
        f"  one person has at most {choice.most_of_a_person:,} of the genuine pairs, a photo is in at most "
        f"{counted(choice.most_of_a_photo, 'pair')}"
    )
    if written.left_out:
        yield (
            f"  {counted(written.left_out, 'photo')} not compared: their name, or their person's, is that of "
            "another, too, or has a line end or a space at its end"
        )
    yield from (f"  {line}" for line in written.changes)
    if written.unusable:
        images = counted(len(written.unusable), "image")
        yield f"  {images} in no pair, and a training would stop there:"
        yield from (f"    {path}: {why}" for path, why in list(written.unusable.items())[:NAMED])
        if len(written.unusable) > NAMED:
            yield f"    and {len(written.unusable) - NAMED:,} more"
        yield "next: take them out, as the doctor proposes, and give this command again"
        doctor = ["python", "-m", "data_prep", "doctor", str(source), f"reports/{out.resolve().name}"]
        yield f"  {shlex.join(doctor)}"
        return
    yield "next: train on the others, and verify"
    yield from (f"  {shlex.join(command)}" for command in commands(written, source, out))


def commands(written: Written, source: Path, out: Path) -> tuple[list[str], list[str]]:
    """The training without the people to verify, and their verification."""
    places = {"data.path": source, "data.exclude_file": out / VERIFIED}
    settings = [*(f"{name}={_value(str(place))}" for name, place in places.items()), *_settings(written)]
    name = out.resolve().name
    train = ["sphereface-plus", "train", RECIPE]
    for setting in settings:
        train += ["--set", setting]
    images = ["--pairs", str(out / PAIRS), "--images", str(source)]
    verify = ["python", "-m", "eval", "verify", "--model", f"runs/{name}", *images]
    return [*train, "--out", f"runs/{name}"], [*verify, "--out", f"reports/{name}"]


def _value(text: str) -> str:
    """As --set reads it, which takes `1` for a number and `a: b` for a group of settings."""
    try:
        return text if parse_value(text) == text else json.dumps(text)
    except (yaml.YAMLError, ValueError):
        return json.dumps(text)


def _settings(written: Written) -> Iterator[str]:
    """Where the recipe's own would refuse these crops: another template or size, people of few photos."""
    crops, spec = written.crops, InputSpec()
    if crops.template not in (None, spec.template):
        yield f"network.input.template={crops.template}"
    for name, here, usual in zip(("height", "width"), crops.size, (spec.height, spec.width), strict=True):
        if here != usual:
            yield f"network.input.{name}={here}"
    verified = set(written.choice.people)
    counts = Counter(crops.labels)
    if sum(counts[label] >= MIN_IMAGES for label in counts.keys() - verified) < 2:
        yield "data.min_images=1"
