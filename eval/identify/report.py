"""The report of an identification: plain data for report.json; page.py shows it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sphereface_plus.files import write_page, write_text

from ..enrolled import TemplateKind
from ..report_fit import fingerprint, states_flip
from .examples import hardest, twins, unknown

if TYPE_CHECKING:
    from .measured import Measured
    from .rules import Note, PhotoSet

FORMAT = 1
NOT_STATED = "not stated"
"""The model or the flip fusion of a set, where its file of embeddings does not say it."""
TEMPLATES = {
    "mean": "one a person: the mean of the unit embeddings of the person's photos in the gallery",
    "best": "one a person: of the person's photos in the gallery the one with the longest embedding",
    "image": "one a photo",
}
MATES = {
    "best": "one search a probe; of several templates of its person the best one counts",
    "each": "each template of the probe's person in turn is the only mate of a search, as in MegaFace; the "
    "person's others are left out",
}
TIES = (
    "The score is the cosine. A tie is lost: another person's entry that scores exactly as high as the mate "
    "counts as above it."
)


def build(
    *,
    created: str,
    command: str,
    measured: Measured,
    template: TemplateKind,
    flip: str,
    notes: Sequence[Note],
    results: Mapping[str, Any],
    training: Mapping[str, Any],
    seconds: Mapping[str, float],
    environment: Mapping[str, Any],
) -> dict[str, Any]:
    """The whole report as plain data."""
    alone = measured.probes is measured.gallery
    sets = [measured.gallery, *([] if alone else [measured.probes]), *measured.distractors]
    alike, threshold = twins(measured), results["reference"]["threshold_cosine"]
    above = sum(example["photos"][1]["score"] >= threshold for example in alike)
    return {
        "format": FORMAT,
        "kind": "identification",
        "title": f"Identification on {measured.probes.photos.place.resolve().stem}",
        "created": created,
        "command": command,
        "model": measured.gallery.embedded.model,
        "sets": [_set(each) for each in sets],
        "leave_one_out": alone,
        "template": {"kind": template, "words": TEMPLATES[template]},
        "mates": {"kind": measured.mates, "words": MATES[measured.mates]},
        "flip": flip,
        "ties": TIES,
        "notes": list(notes),
        "results": {**results, "twins_above": above},
        "examples": {"hardest": hardest(measured), "twins": alike, "unknown": unknown(measured)},
        "kept_others": int(measured.searched.others.shape[1]),
        "training": dict(training),
        "seconds": dict(seconds),
        "environment": dict(environment),
        "per_search": per_search(measured),
    }


def _set(photos: PhotoSet) -> dict[str, Any]:
    named, kept, record = photos.photos, photos.kept, photos.embedded.model
    people = {person for person, stays in zip(named.people, kept, strict=True) if stays and person}
    keys = sorted(key for key, stays in zip(named.keys, kept, strict=True) if stays)
    return {
        "role": named.role,
        "place": str(named.place),
        "sha256": hashlib.sha256("\0".join(keys).encode(errors="surrogateescape")).hexdigest(),
        "photos": len(named.keys),
        "kept": int(kept.sum()),
        "people": len(people),
        "model": fingerprint(record) or NOT_STATED,
        "flip": record["flip"] if states_flip(record) else NOT_STATED,
        "notes": named.notes,
        "preparation": photos.embedded.preparation,
    }


def per_search(measured: Measured) -> dict[str, list[Any]]:
    """A value a search, in the order of the probes; null where there is no mate."""
    searched, searches = measured.searched, measured.searches
    keys = measured.probes.photos.keys
    mated = searches.mated
    return {
        "probe": [keys[row] for row in measured.probe_rows],
        "person": [measured.names[person] for person in searches.people],
        "mate_score": [
            score if has else None for score, has in zip(searches.mate_score.tolist(), mated, strict=True)
        ],
        "mate": [named_mate(measured, int(row)) for row in searched.mate],
        "above": [count if has else None for count, has in zip(searches.above.tolist(), mated, strict=True)],
        "other": [named_other(measured, int(row)) for row in searched.others[:, 0]],
        "other_is_distractor": (searched.others[:, 0] >= len(measured.enrolled)).astype(int).tolist(),
        "other_score": [score if np.isfinite(score) else None for score in searches.highest.tolist()],
    }


def named_mate(measured: Measured, row: int) -> str | None:
    """The photo that a template is; None where it is made of several, or there is no mate."""
    if row < 0 or measured.enrolled_rows is None:
        return None
    return measured.gallery.photos.keys[measured.enrolled_rows[row]]


def named_other(measured: Measured, row: int) -> str | None:
    """Whom a row of enrolled templates and then distractors is of: a person, or a distractor's photo key."""
    if row < 0:
        return None
    num_enrolled = len(measured.enrolled_people)
    if row < num_enrolled:
        return measured.names[measured.enrolled_people[row]]
    place, photo = measured.distractor_rows[row - num_enrolled]
    return measured.distractors[place].photos.keys[photo]


def write(
    report: Mapping[str, Any], measured: Measured, out: Path, *, thumbnails: bool, public_names: bool
) -> Path:
    """Writes report.json and report.html into `out` and into OUT/public, and returns the page's path."""
    from ..public import PUBLIC
    from .page import page_of, plots_of
    from .public import public

    sets = [measured.gallery, measured.probes, *measured.distractors]
    images = {each.photos.role: each.embedded.files or {} for each in sets}
    plots = plots_of(report)
    for folder, shown, pictures in (
        (out / PUBLIC, public(report, names=public_names), None),
        (out, report, images if thumbnails else None),
    ):
        folder.mkdir(parents=True, exist_ok=True)
        # One line a part: a person reads the numbers, and searches do not become a line each.
        parts = ",\n".join(f"{json.dumps(key)}: {json.dumps(value)}" for key, value in shown.items())
        write_text(folder / "report.json", "{\n" + parts + "\n}\n")
        write_page(folder / "report.html", page_of(shown, plots, pictures))
    return out / "report.html"
