"""MegaFace's probes and distractors: which images they are, by lists or by folders, and their embeddings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sphereface_plus.data.formats.keys import photo_key
from sphereface_plus.data.formats.megaface_features import feature_suffix
from sphereface_plus.data.formats.megaface_lists import (
    MegaFaceError,
    TemplateList,
    distractor_lists,
    read_template_list,
)
from sphereface_plus.data.formats.packs import CropSource
from sphereface_plus.data.trained_on import TrainedOn
from sphereface_plus.path_checks import nearby

from ..model import NOT_PREPARED, STORE, ModelAsked, embed_photos, stored_record
from ..photos import find_images, first_three
from ..scores import without_direction
from ..statistics import Rates
from .features import stored_features

PROBE_LIST = "facescrub_features_list.json"
AS_IN_FEATURES = "as in the features"
"""What a report says of their flip fusion."""


@dataclass(frozen=True)
class Asked:
    """What is asked for."""

    model: ModelAsked | None
    """None: the kit's features."""
    probes: Path
    """Crops, photos or features, relative to which the list's paths are."""
    distractors: Path
    lists: Path | None
    """The kit's folder templatelists; None: all images of both folders, in random orders."""
    probe_list: Path | None
    probe_noise: Path | None
    distractor_noise: Path | None
    suffix: str | None
    """Of the features' files."""
    sets: int
    """Random orders, without lists."""
    flip: Any
    out: Path
    command: str
    write_features: Path | None = None
    groups: Path | None = None
    """CSV of people and their groups."""
    fars: Rates = ()
    """Beside those that every report has."""


def probe_list(asked: Asked) -> tuple[list[str], list[str]]:
    """Paths and people of the probes."""
    if asked.lists is None and asked.probe_list is None:
        paths = paths_in(asked, asked.probes)
        people = [photo_key(path).rpartition("/")[0] for path in paths]
        if not all(people):
            raise MegaFaceError(
                f"{asked.probes}: whose {paths[people.index('')]} is cannot be known; put the probes of each "
                "person in a folder, or name their list by --probe-list"
            )
        return paths, people
    file = asked.probe_list or (asked.lists or Path()) / PROBE_LIST
    if not file.is_file() and asked.probe_list is None and (inside := _lists_inside(asked.lists)):
        raise MegaFaceError(f"{asked.lists}: holds no lists; did you mean {inside}?")
    if not file.is_file():
        raise MegaFaceError(
            f"{file}: there is no such list of probes; name it by --probe-list ({nearby(file)})"
        )
    probes = read_template_list(file)
    if probes.people is None:
        raise MegaFaceError(f"{file}: does not say whose the probes are, in its field id")
    return probes.paths, probes.people


def _lists_inside(folder: Path | None) -> Path | None:
    """The first folder in a folder that holds the kit's lists, where the whole kit is given."""
    if folder is None or not folder.is_dir():
        return None
    return next((each for each in sorted(folder.iterdir()) if (each / PROBE_LIST).is_file()), None)


def distractors_of_lists(asked: Asked) -> dict[int, dict[int, TemplateList]] | None:
    if asked.lists is None:
        return None
    found = distractor_lists(asked.lists)
    return {
        number: {size: read_template_list(file) for size, file in sizes.items()}
        for number, sizes in found.items()
    }


def paths_in(asked: Asked, folder: Path) -> list[str]:
    """All images of a folder that has no list, or all images that it has features of."""
    if asked.model is not None:
        files = find_images(folder).files
        if not files:
            raise MegaFaceError(f"{folder}: holds no image; give a folder of photos or crops")
        return sorted(files)
    suffix = asked.suffix
    if suffix is None:
        raise MegaFaceError(
            f"{folder}: which of its files are the features is told by --suffix, such as _mine.bin; "
            "or give --model, if it holds photos or crops"
        )
    found = [path.relative_to(folder).as_posix()[: -len(suffix)] for path in folder.rglob(f"*{suffix}")]
    if not found:
        raise MegaFaceError(
            f"{folder}: holds no feature *{suffix}; name another --suffix, or give --model, if it holds "
            "photos or crops"
        )
    return sorted(found)


@dataclass(frozen=True)
class Side:
    """Probes or distractors, embedded."""

    paths: list[str]
    rows: np.ndarray
    """(n, D)."""
    model: dict[str, Any]
    preparation: dict[str, Any]
    missing: list[str]
    files: Mapping[str, CropSource] | None = None
    """Photo key -> crop, for pictures."""
    runs_on: str = "cpu"
    trained_on: TrainedOn | None = None
    """None where the model does not say it."""

    @property
    def keys(self) -> list[str]:
        return [photo_key(path) for path in self.paths]


def embedded(asked: Asked, folder: Path, paths: Sequence[str], what: str, *, may_lack: bool) -> Side:
    """may_lack: paths without an image are left out and counted, instead of refused."""
    if asked.model is None:
        return _of_features(asked, folder, paths, what, may_lack=may_lack)
    keys = [photo_key(path) for path in paths]
    missing: list[str] = []
    if may_lack:
        files = find_images(folder).files
        missing = [key for key in keys if key not in files]
        paths = [path for path, key in zip(paths, keys, strict=True) if key in files]
        keys = [key for key in keys if key in files]
        if not keys:
            raise MegaFaceError(f"{folder}: holds none of the {len(missing):,} images of the lists")
    out = asked.out / what
    found = embed_photos(asked.model, keys, folder, asked.flip, out)
    return Side(
        list(paths),
        found.rows,
        found.model,
        found.preparation,
        missing,
        found.files,
        found.runs_on,
        found.trained_on,
    )


def _of_features(asked: Asked, folder: Path, paths: Sequence[str], what: str, *, may_lack: bool) -> Side:
    suffix = asked.suffix or feature_suffix(folder, paths)
    missing = [path for path in paths if not (folder / f"{path}{suffix}").is_file()]
    if missing and not may_lack:
        names = first_three([f"{path}{suffix}" for path in missing])
        raise MegaFaceError(
            f"{folder}: lacks {len(missing):,} of the {len(paths):,} features of {what} ({names}); extract "
            "them, or take these images off the list"
        )
    lacking = set(missing)
    paths = [path for path in paths if path not in lacking]
    if not paths:
        raise MegaFaceError(f"{folder}: holds no feature of the {len(missing):,} images of the lists")
    rows = stored_features(folder, paths, suffix, asked.out / what / STORE, what)
    model = stored_record(suffix, suffix.strip("_").removesuffix(".bin"), "features", flip=AS_IN_FEATURES)
    preparation = {
        **NOT_PREPARED,
        "words": "Features in the files of MegaFace's kit, which do not state their model and flip fusion; "
        "those of both sides are taken to be of one.",
    }
    return Side(list(paths), rows, model, preparation, missing)


def all_paths(lists: Mapping[int, Mapping[int, TemplateList]]) -> list[str]:
    """Of all lists, each once."""
    paths = {
        photo_key(path): path for sizes in lists.values() for one in sizes.values() for path in one.paths
    }
    return list(paths.values())


def check_sides(probes: Side, distractors: Side) -> None:
    """Raises MegaFaceError where probes and distractors differ in the names of features or in dimension, and,
    by name, for a model's embeddings that have no direction; the kit's features were looked at when they were
    read."""
    ours, theirs = probes.model["name"], distractors.model["name"]
    if ours != theirs:  # of the kit's features, whose suffix names the model
        raise MegaFaceError(
            f"the probes' features are named {ours}, the distractors' {theirs}, which is of two models; "
            "name the one that both have by --suffix"
        )
    if probes.rows.shape[1] != distractors.rows.shape[1]:
        raise MegaFaceError(
            f"the probes' features have {probes.rows.shape[1]} numbers, the distractors' "
            f"{distractors.rows.shape[1]}; both need one model and the same flip"
        )
    for side, what in ((probes, "probes"), (distractors, "distractors")):
        bad = () if side.files is None else without_direction(side.rows)
        if len(bad):
            names = first_three([side.paths[row] for row in bad])
            raise MegaFaceError(
                f"{len(bad):,} of the {len(side.paths):,} embeddings of {what} have no direction, they are "
                f"zero or not finite ({names}); take these images away"
            )
