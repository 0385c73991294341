"""Who is found among how many: a gallery, its probes and distractors to a report. The command `identify`."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from sphereface_plus.commands.progress import show_progress
from sphereface_plus.data.formats.embedding_store import INDEX, is_store
from sphereface_plus.embedding import Flip
from sphereface_plus.environment import record
from sphereface_plus.model_files import contents
from sphereface_plus.outputs import claimed

from ..enrolled import Mates, TemplateKind, search_enrolled, templates
from ..errors import PhotosError
from ..groups import read_groups
from ..model import ModelAsked, embed_photos
from ..public import PUBLIC
from ..rows import Reordered
from ..search_statistics import FPIRS
from ..statistics import with_wanted
from ..training_photos import compare_searches
from . import report as reports
from .groups import per_group
from .measured import Measured
from .named_photos import NamedPhotos, named_photos
from .numbers import Searches, by_distractors, closed_set, open_set, per_identity, reference
from .rules import PhotoSet, apply_rules, check_people, check_rows, same_images, unstated

COUNT = 10
"""Others that are kept of each search."""


@dataclass(frozen=True)
class Identification:
    """What is asked for."""

    model: ModelAsked
    gallery: Path
    probes: Path | None
    """None: leave-one-out in the gallery."""
    distractors: Sequence[Path]
    out: Path
    template: TemplateKind
    flip: Flip
    orders: int
    groups: Path | None
    mates: Mates
    """What is the mate where a probe's person has several templates."""
    rank: int | None
    """R of FNIR(N, R, T); None for any."""
    command: str
    """As it was typed, for the report."""
    thumbnails: bool = True
    public_names: bool = False
    fpirs: Sequence[float] = ()
    """FPIRs beside those that every report has."""
    other_numbers: bool = False
    """Whether distractors named by numbers are nobody of the gallery or the probes."""


def run(asked: Identification) -> tuple[dict[str, Any], Path]:
    """Measures a model, writes OUT/{report.json,report.html} and OUT/public, and returns the
    report and the page's path.

    Raises UserError (its subclasses) with a sentence for anything that cannot be used.
    """
    roles = _roles(asked)
    if asked.probes is None and asked.template != "image":
        raise PhotosError(
            "without --probes each photo is searched for among the others, so that each is enrolled: take "
            "--template image"
        )
    if asked.mates == "each" and asked.template != "image":
        raise PhotosError(
            f"--template {asked.template} enrolls one template a person, which is the only mate: for "
            "--mates each take --template image"
        )
    model = asked.model.name
    file = None if model in ("pixels", "") else Path(model)
    stored = {role: place / INDEX if is_store(place) else place for role, place in roles.items()}
    stored = {role: place for role, place in stored.items() if place.suffix in (".npz", ".json")}
    with claimed(
        asked.out,
        "python -m eval identify",
        within=(PUBLIC, *roles),
        contents=contents(model=file, input=asked.model.input_file, groups=asked.groups, **stored),
        model=file or model,
        template=asked.template,
        flip=asked.flip,
        groups=asked.groups,
        gallery=asked.gallery,
        probes=asked.probes,
        distractors=list(asked.distractors),
        **asked.model.other_than_exact,
    ):
        groups = None if asked.groups is None else read_groups(asked.groups)
        found = {role: named_photos(role, place) for role, place in roles.items()}
        if not model and (photos := [each for each in found.values() if each.images is not None]):
            raise PhotosError(f"{photos[0].place}: holds no embeddings, so that a --model is needed for them")
        check_people(found, groups)
        sets = {role: _embedded(asked, photos) for role, photos in found.items()}
        check_rows(list(sets.values()))
        gallery, probes = sets["gallery"], sets.get("probes")
        distractors = [each for role, each in sets.items() if role.startswith("distractors")]
        notes = unstated(list(sets.values()))
        notes += apply_rules(gallery, probes, distractors, other_numbers=asked.other_numbers)
        measured, counts, seconds = _measured(asked, gallery, probes, distractors)
        searches = measured.searches
        notes += same_images(measured.probes, measured.probe_rows, searches.mate_score, searches.highest)
        results = _results(measured, counts, asked)
        results["per_group"] = (
            None
            if groups is None
            else per_group(measured.searches, measured.names, groups, results["reference"], asked.rank)
        )
        report = reports.build(
            created=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
            command=asked.command,
            measured=measured,
            template=asked.template,
            flip=asked.flip,
            notes=notes,
            results=results,
            training=_training(measured),
            seconds=seconds,
            environment=record(gpu=gallery.embedded.runs_on == "cuda"),
        )
        page = reports.write(
            report, measured, asked.out, thumbnails=asked.thumbnails, public_names=asked.public_names
        )
        return report, page


def _roles(asked: Identification) -> dict[str, Path]:
    roles = {"gallery": asked.gallery}
    if asked.probes is not None:
        roles["probes"] = asked.probes
    several = len(asked.distractors) > 1
    return roles | {
        f"distractors{number if several else ''}": place
        for number, place in enumerate(asked.distractors, start=1)
    }


def _embedded(asked: Identification, photos: NamedPhotos) -> PhotoSet:
    """Embeds a set; what is done stays in OUT/ROLE."""
    model = asked.model
    crops = model.crops / photos.role if model.crops is not None else None
    if photos.images is None:
        model = replace(model, name=str(photos.place))
    place = asked.out / photos.role
    place.mkdir(exist_ok=True)
    return PhotoSet(
        photos, embed_photos(replace(model, crops=crops), photos.keys, photos.images, asked.flip, place)
    )


def _measured(
    asked: Identification, gallery: PhotoSet, probes: PhotoSet | None, distractors: Sequence[PhotoSet]
) -> tuple[Measured, list[dict[str, Any]], dict[str, float]]:
    """The searches, rank-1 by the number of distractors, and how long each took."""
    start = time.perf_counter()
    searched_for = gallery if probes is None else probes
    names = sorted({*gallery.photos.people, *searched_for.photos.people})
    number = {name: row for row, name in enumerate(names)}
    probe_rows, gallery_rows = np.flatnonzero(searched_for.kept), np.flatnonzero(gallery.kept)
    probe_people = np.array([number[searched_for.photos.people[row]] for row in probe_rows])
    gallery_people = np.array([number[gallery.photos.people[row]] for row in gallery_rows])
    enrolled, enrolled_people = templates(gallery.kept_rows, gallery_people, asked.template)
    own = np.arange(len(probe_rows)) if probes is None else None
    embeddings = searched_for.kept_rows
    rows, places = _joined(distractors, enrolled.shape[1])
    sizes = [0, len(places)] if len(places) else [0]
    with show_progress("templates searched") as progress:
        searched = search_enrolled(
            embeddings,
            probe_people,
            enrolled,
            enrolled_people,
            rows,
            sizes,
            own=own,
            mates=asked.mates,
            count=min(COUNT, len(enrolled) + len(places)),
            progress=progress,
        )
    between = time.perf_counter()
    if not (searched.mate >= 0).any():
        raise PhotosError(
            f"{asked.gallery}: holds nobody of {asked.probes}, by their names; probes and gallery need the "
            "same names for the same people"
            if probes is not None
            else f"{asked.gallery}: nobody has two photos; leave-one-out needs people of several photos"
        )
    with show_progress("orders of distractors searched") as progress:
        counts = by_distractors(
            embeddings,
            probe_people,
            enrolled,
            enrolled_people,
            rows,
            searched,
            own,
            asked.mates,
            orders=asked.orders,
            progress=progress,
        )
    searches = Searches(
        probe_people[searched.probe],
        searched.mate_score,
        searched.above[:, -1],
        searched.other_scores[:, 0],
        searched.probe,
    )
    measured = Measured(
        gallery,
        searched_for,
        distractors,
        names,
        probe_rows[searched.probe],
        asked.mates,
        enrolled,
        gallery_rows if asked.template == "image" else None,
        enrolled_people,
        places,
        rows,
        searched,
        searches,
    )
    return measured, counts, {"search": between - start, "orders": time.perf_counter() - between}


def _joined(distractors: Sequence[PhotoSet], numbers: int) -> tuple[Reordered, np.ndarray]:
    """The rows of all sets that were kept, and where each is."""
    if not distractors:
        return Reordered(np.empty((0, numbers), np.float32), np.empty(0, np.int64)), np.empty((0, 2), int)
    places = np.concatenate(
        [
            np.stack([np.full(each.kept.sum(), place), np.flatnonzero(each.kept)], axis=1)
            for place, each in enumerate(distractors)
        ]
    )
    if len(distractors) == 1:  # which may be memory-mapped
        return Reordered(distractors[0].rows, places[:, 1]), places
    rows = np.concatenate([each.kept_rows for each in distractors])
    return Reordered(rows, np.arange(len(rows))), places


def _results(measured: Measured, counts: list[dict[str, Any]], asked: Identification) -> dict[str, Any]:
    searches = measured.searches
    entries = len(measured.enrolled_people) + len(measured.distractor_rows)
    found = open_set(searches, asked.rank, with_wanted(FPIRS, asked.fpirs))
    return {
        "searches": len(searches.people),
        "mated": int(searches.mated.sum()),
        "mated_people": len(np.unique(searches.people[searches.mated])),
        "nonmated": int((~searches.mated).sum()),
        "enrolled": len(measured.enrolled_people),
        "enrolled_people": len(np.unique(measured.enrolled_people)),
        "distractors": len(measured.distractor_rows),
        **closed_set(searches, entries),
        "by_distractors": counts,
        "open_set": found,
        "reference": reference(found["points"]),
        "per_identity": per_identity(searches, measured.names),
    }


def _training(measured: Measured) -> dict[str, Any]:
    """Whether people or photos that are searched for, or among, were trained on."""
    alone = measured.probes is measured.gallery
    people: dict[str, str | None] = {}
    files: dict[str, Any] | None = {}
    for each in [measured.gallery] if alone else [measured.gallery, measured.probes]:
        named, crops = each.photos, each.crops()
        keys = [f"{named.role}/{key}" for key in named.keys]
        people.update(zip(keys, named.people, strict=True))
        files = None if files is None or crops is None else files | dict(zip(keys, crops, strict=True))
    return compare_searches(people, measured.gallery.embedded.trained_on, files)
