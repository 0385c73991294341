"""IJB-B or IJB-C from files to a report: lists, features, templates, 1:1, and 1:N in both galleries."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from sphereface_plus.commands.progress import show_progress
from sphereface_plus.data.formats.ijb import (
    Faces,
    IjbError,
    Lists,
    Subjects,
    find_lists,
    read_faces,
    read_pairs,
    read_scores,
    read_subjects,
)
from sphereface_plus.data.formats.keys import photo_key
from sphereface_plus.environment import record
from sphereface_plus.model_files import contents, sha256
from sphereface_plus.outputs import claimed
from sphereface_plus.words import counted

from ..groups import Groups, check_some, read_groups
from ..model import ModelAsked
from ..public import PUBLIC
from ..search_statistics import FPIRS
from ..statistics import Rates, with_wanted
from ..training_photos import compare_searches
from . import page
from .features import of_file, of_model
from .galleries import mean_of, searched
from .pairs import FARS, verified
from .rows import rows_of, rows_of_pairs, subjects
from .subjects import pairs_by_group
from .templates import WEIGHTS, TemplateKind, Weight, averaged

TITLES = {"ijbb": "IJB-B", "ijbc": "IJB-C"}
KINDS: dict[TemplateKind, str] = {
    "media": "The mean of each photo's or video's faces first, then the sum of those means.",
    "faces": "The sum of all faces, whichever photo or video they are from.",
}


@dataclass(frozen=True)
class Asked:
    """What is asked for."""

    meta: Path
    """The folder of the lists."""
    features: Path | None
    """An .npy, an .npz or a store; None: `model` and `images`."""
    model: ModelAsked | None
    images: Path | None
    templates: TemplateKind
    weight: Weight
    rank: int | None
    """R of FNIR(N, R, T); None for any."""
    scores: Path | None
    """Of the detector; None: those of the folder."""
    flip: Any
    out: Path
    command: str
    groups: Path | None = None
    """CSV of subjects and their groups."""
    fars: Rates = ()
    """Beside those that every report has; and FPIRs."""
    fpirs: Rates = ()


def run(asked: Asked) -> dict[str, Any]:
    """Measures, writes OUT/report.json and OUT/report.html, and returns the report.

    Raises UserError (its subclasses) with a sentence for anything that cannot be used.
    """
    lists = find_lists(asked.meta)
    with _claimed(asked, lists):
        report = _measured(asked, lists)
        page.write(report, asked.out)
        return report


def _claimed(asked: Asked, lists: Lists):
    model = None if asked.model is None else asked.model.name
    file = None if model in (None, "pixels") else Path(model)
    one, two = lists.galleries or (None, None)
    return claimed(
        asked.out,
        "python -m eval ijb",
        within=(PUBLIC,),
        contents=contents(
            model=file,
            input=None if asked.model is None else asked.model.input_file,
            features=asked.features,
            scores=asked.scores or lists.scores,
            faces=lists.faces,
            pairs=lists.pairs,
            gallery_1=one,
            gallery_2=two,
            probes=lists.probes,
            groups=asked.groups,
        ),
        model=file or model or "features",
        features=asked.features,
        images=asked.images,
        meta=asked.meta,
        templates=asked.templates,
        weight=asked.weight,
        flip=asked.flip,
        groups=asked.groups,
        **(asked.model.other_than_exact if asked.model is not None else {}),
    )


def _measured(asked: Asked, lists: Lists) -> dict[str, Any]:
    faces = read_faces(lists.faces)
    scores = _scores(asked, lists, faces)
    sides = [read_subjects(file) for file in (*(lists.galleries or ()), lists.probes) if file is not None]
    numbers = np.unique(faces.template)
    subject = subjects(sides, numbers)
    pairs = None if lists.pairs is None else rows_of_pairs(read_pairs(lists.pairs), numbers, subject)
    groups = _groups(asked, subject)
    if asked.features is not None:
        found = of_file(asked.features, faces)
    else:
        assert asked.model is not None
        assert asked.images is not None
        found = of_model(asked.model, faces, asked.images, asked.flip, asked.out)
    start = time.monotonic()
    keep_length = asked.weight in ("length", "both")
    with show_progress("faces averaged") as progress:
        _, units = averaged(
            found.rows,
            faces,
            asked.templates,
            scores,
            keep_length=keep_length,
            origin=str(asked.features or asked.images),
            progress=progress,
        )
    report: dict[str, Any] = {
        "format": 1,
        "kind": "ijb",
        "title": TITLES.get(lists.name, lists.name),
        "created": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "command": asked.command,
        "model": found.model,
        "preparation": found.preparation,
        "templates": {
            "kind": asked.templates,
            "weight": asked.weight,
            "words": f"{KINDS[asked.templates]} {WEIGHTS[asked.weight]}",
        },
        "faces": len(faces.names),
        "media": len(set(zip(faces.template.tolist(), faces.media.tolist(), strict=True))),
        "template_count": len(numbers),
        "subjects": len(np.unique(subject[subject >= 0])) if subject is not None else None,
        "training": compare_searches(_people(faces, numbers, subject), found.trained_on, found.files),
        "verification": None,
        "identification": None,
    }
    if pairs is not None:
        first, second, genuine, contradictions = pairs
        nobodys = 0 if subject is None else int(np.sum(subject[first[genuine]] < 0))
        with show_progress("pairs of templates scored") as progress:
            fars = with_wanted(FARS, asked.fars)
            verification = verified(
                units, first, second, genuine, None if nobodys else subject, progress, fars
            )
        by_group = None if groups is None else pairs_by_group(verification, groups)
        report["verification"] = verification | {
            "contradictions": contradictions,
            "no_intervals": _no_intervals(subject is not None, nobodys),
            "per_group": by_group,
        }
    if sides:
        report["identification"] = _identified(asked, units, numbers, sides, groups)
    return report | {
        "files": _files(asked, lists, with_scores=scores is not None),
        "seconds": time.monotonic() - start,
        "environment": record(gpu=found.runs_on == "cuda"),
    }


def _no_intervals(lists: bool, nobodys: int) -> str | None:
    """Why TARs have no interval; None where they have. lists: whether those of subjects are there; nobodys:
    genuine pairs whose first template is of no subject in them."""
    if not lists:
        why = "without the lists of galleries and probes nobody says whose the templates are"
    elif nobodys:
        pairs = counted(nobodys, "pair")
        why = "the lists of galleries and probes name no subject for the first template of "
        why += f"{pairs} labelled genuine"
    else:
        return None
    return f"TARs have no intervals, and no tables by group: {why}"


def _files(asked: Asked, lists: Lists, *, with_scores: bool) -> list[dict[str, str]]:
    """The lists that were read, what each is, and their hashes."""
    one, two = lists.galleries or (None, None)
    files = {
        "list of faces": lists.faces,
        "list of pairs": lists.pairs,
        "first gallery": one,
        "second gallery": two,
        "list of probes": lists.probes,
        "detector's scores": (asked.scores or lists.scores) if with_scores else None,
    }
    return [
        {"is": what, "name": file.name, "sha256": sha256(file)}
        for what, file in files.items()
        if file is not None
    ]


def _groups(asked: Asked, subject: np.ndarray | None) -> Groups | None:
    if asked.groups is None:
        return None
    groups = read_groups(asked.groups)
    if subject is None:
        raise IjbError(
            f"{asked.groups}: whose the templates are is not known without the lists of galleries and "
            "probes; put them beside the list of faces, or leave out --groups"
        )
    check_some(groups, [str(one) for one in np.unique(subject[subject >= 0]).tolist()])
    return groups


def _people(faces: Faces, numbers: np.ndarray, subject: np.ndarray | None) -> dict[str, str | None]:
    """Photo key of each face -> its subject, None where that is not known."""
    if subject is None:
        return dict.fromkeys(map(photo_key, faces.names))
    of_face = subject[np.searchsorted(numbers, faces.template)].tolist()
    return {
        photo_key(name): None if one < 0 else str(one) for name, one in zip(faces.names, of_face, strict=True)
    }


def _scores(asked: Asked, lists: Lists, faces: Faces) -> np.ndarray | None:
    if asked.weight not in ("detector", "both"):
        return None
    file = asked.scores or lists.scores
    if file is None:
        raise IjbError(
            f"{asked.meta}: holds no scores of the detector, {lists.name}_name_5pts_score.txt; name them by "
            f"--scores, or take another --weight than {asked.weight}"
        )
    return read_scores(file, faces)


def _identified(
    asked: Asked, units: np.ndarray, numbers: np.ndarray, sides: list[Subjects], groups: Groups | None
) -> dict[str, Any]:
    rows = [rows_of(side.template, numbers, side.file) for side in sides]
    probes, galleries = sides[2], []
    for number in (0, 1):
        side = sides[number]
        with show_progress(f"templates of gallery {number + 1} searched") as progress:
            galleries.append(
                searched(
                    units[rows[2]],
                    probes.subject,
                    units[rows[number]],
                    side.subject,
                    side.file.name,
                    asked.rank,
                    progress,
                    groups,
                    with_wanted(FPIRS, asked.fpirs),
                )
            )
    in_neither = ~np.isin(probes.subject, np.concatenate([sides[0].subject, sides[1].subject]))
    return {
        "probes": len(probes.template),
        "probe_subjects": len(np.unique(probes.subject)),
        "in_neither": int(in_neither.sum()),
        "rule": "A template of exactly the mate's score counts as above it.",
        "galleries": galleries,
        "mean": mean_of(galleries),
    }
