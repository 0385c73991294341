"""Who is on a photo: the nearest people of a gallery, or, below a report's threshold, somebody unknown."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from sphereface_plus.data.formats.keys import photo_key
from sphereface_plus.embedding import Flip
from sphereface_plus.files import write_page, write_text
from sphereface_plus.outputs import claimed

from ..enrolled import TemplateKind, templates
from ..model import NOT_PREPARED, Embedded, ModelAsked, embed_photos
from ..one_photo import crop_of_photo
from ..photos import first_three, several_faces
from ..rendering import photo_name, render, thumbnail
from ..report_files import ReportError
from ..report_fit import check_same_alignment, check_same_model, cropping_of, fingerprint
from ..resolutions import CANNOT
from ..scores import SAME_IMAGE, scores_of_pairs
from ..search import scan
from ..tallies import Best
from .named_photos import NamedPhotos, named_photos
from .report_fields import read
from .rules import PhotoSet, check_rows


@dataclass(frozen=True)
class Question:
    """What is asked for."""

    photo: Path
    face: str | None
    """Which of several faces is meant (detection.pick); None: a photo of several is refused."""
    gallery: Path
    model: ModelAsked
    template: TemplateKind | None
    """None: as in the report, or mean."""
    flip: Flip | None
    """None: as in the report, or none."""
    report: Path | None
    fpir: float | None
    """Which of the report's thresholds; None for the one that it takes itself."""
    count: int
    out: Path | None


def who(asked: Question) -> dict[str, Any]:
    """The answer as plain data: `nearest` people with scores, best first, and `person`, the first of them if
    its score reaches the threshold; None for an unknown person, or without a report.

    Writes OUT/{who.json,who.html}, if OUT is given. Raises UserError (its subclasses).
    """
    report = None if asked.report is None else read(asked.report)
    origin = asked.report or Path()
    template = asked.template or (report["template"]["kind"] if report else "mean")
    flip = asked.flip or (report["flip"] if report else "none")
    point = None if report is None else _point(report, asked.fpir, origin)
    with ExitStack() as stack:
        place = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        if asked.out is not None:
            of = {"photo": asked.photo, "gallery": asked.gallery, "model": asked.model.name}
            of |= {} if asked.face is None else {"face": asked.face}
            stack.enter_context(claimed(asked.out, "python -m eval who", **of))
        gallery = named_photos("gallery", asked.gallery)
        probe, notes = _of_photo(asked, flip, place, report)
        sets = [probe, _embedded(asked, gallery, flip, place if asked.out is None else asked.out)]
        check_rows(sets)
        answer = _answer(asked, sets[1], sets[0].rows, template, flip)
        answer["notes"] += notes + _of_gallery(sets[1])
        if report is not None and point is not None:
            answer |= _judged(answer, report, point, sets, origin)
        if asked.out is not None:
            _write(answer, asked.out, sets[1].embedded.files, sets[0].embedded.files)
    return answer


def _settings(report: Mapping[str, Any], role: str) -> Mapping[str, Any]:
    """How the photos of one of the report's sets were aligned; empty where that is not known."""
    return next(each["preparation"]["settings"] for each in report["sets"] if each["role"] == role)


def _of_photo(
    asked: Question, flip: Flip, place: Path, report: Mapping[str, Any] | None
) -> tuple[PhotoSet, list[str]]:
    """The photo, aligned as the report's and embedded, and notes on its crop, which is written into `place`
    for the page."""
    from data_prep.settings import Cropping
    from sphereface_plus.commands.model_argument import model_record, open_model

    model = asked.model
    embedder = open_model(model.name, model.input_file, model.device, model.precision)
    spec, unsaid = embedder.input, []

    def cropping() -> Cropping:
        if report is None:
            return Cropping(template=spec.template)
        settings = _settings(report, "gallery" if report["leave_one_out"] else "probes")
        if settings:
            return cropping_of(settings, spec, asked.report or Path())
        unsaid.append(
            f"{asked.report}: does not say how its crops were made; its threshold holds only if they were "
            "aligned as this photo is now"
        )
        return Cropping(template=spec.template)

    crop, notes = crop_of_photo(asked.photo, spec, cropping, asked.face)
    notes += unsaid
    key, file = photo_key(asked.photo.name), place / "photo.png"
    cv2.imwrite(str(file), cv2.cvtColor(crop, cv2.COLOR_RGB2BGR))
    rows, record = embedder.embed(crop[None], flip), model_record(embedder, model.name, flip)
    photos = NamedPhotos("probes", asked.photo, [key], [""], None)
    return PhotoSet(photos, Embedded(rows, record, NOT_PREPARED, {key: file})), notes


def _of_gallery(gallery: PhotoSet) -> list[str]:
    """What is to be known of the gallery's embeddings and crops."""
    notes = []
    if not fingerprint(gallery.embedded.model):
        notes.append(
            f"{gallery.photos.place}: does not say which model its embeddings are of; the scores mean "
            "something only if it was this one"
        )
    if several := gallery.embedded.several_faces:
        words = several_faces(several, gallery.embedded.preparation["settings"])
        notes.append(f"{gallery.photos.place}: {words} ({first_three(sorted(several))})")
    return notes


def _embedded(asked: Question, photos: NamedPhotos, flip: Flip, place: Path) -> PhotoSet:
    model, out = asked.model, place / f"{photos.role}_embedded"
    out.mkdir(exist_ok=True)
    if photos.images is None:
        model = replace(model, name=str(photos.place))
    return PhotoSet(photos, embed_photos(model, photos.keys, photos.images, flip, out))


def _answer(
    asked: Question, gallery: PhotoSet, probe: np.ndarray, template: TemplateKind, flip: Flip
) -> dict[str, Any]:
    names = sorted(set(gallery.photos.people))
    people = np.searchsorted(names, gallery.photos.people)
    enrolled, enrolled_people = templates(gallery.rows, people, template)
    most = int(np.bincount(enrolled_people).max())  # so many rows may be one person's
    best = Best(min(len(enrolled), asked.count * most))
    scan(probe, enrolled, [best])
    nearest: dict[str, dict[str, Any]] = {}
    copies = []
    for row, score in zip(best.rows[0].tolist(), best.scores[0].tolist(), strict=True):
        person = names[enrolled_people[row]]
        if person not in nearest and len(nearest) < asked.count:
            own = np.flatnonzero(people == enrolled_people[row])
            like = scores_of_pairs(probe, np.zeros(len(own), int), gallery.rows[own], np.arange(len(own)))
            key = gallery.photos.keys[own[np.argmax(like)]]
            copies += [key] if like.max() >= SAME_IMAGE else []
            nearest[person] = {"person": person, "score": score, "photo": key}
    return {
        "photo": str(asked.photo),
        "template": template,
        "flip": flip,
        "enrolled": len(enrolled),
        "nearest": list(nearest.values()),
        "preparation": gallery.embedded.preparation["words"],
        "threshold": None,
        "person": None,
        "notes": [
            f"{copy} of the gallery is this very photo, or a copy: that score says nothing about the person"
            for copy in copies
        ],
    }


def _judged(
    answer: Mapping[str, Any],
    report: Mapping[str, Any],
    point: Mapping[str, Any],
    sets: list[PhotoSet],
    origin: Path,
) -> dict[str, Any]:
    probe, gallery = sets
    notes = [*answer["notes"], *check_same_model(report["model"], origin, probe.embedded.model)]
    check_same_alignment(
        _settings(report, "gallery"),
        gallery.embedded.preparation["settings"],
        origin,
        gallery.photos.place,
    )
    there, here = (report["template"]["kind"], report["flip"]), (answer["template"], answer["flip"])
    if there != here:
        raise ReportError(
            f"{origin}: is of templates {there[0]} and flip {there[1]}, whose threshold says nothing about "
            f"templates {here[0]} and flip {here[1]}; leave --template and --flip to the report"
        )
    first = answer["nearest"][0]
    searched = report["results"]["enrolled"] + report["results"]["distractors"]
    if answer["enrolled"] > searched:
        notes.append(
            f"the threshold was measured among {searched:,} templates and distractors, and the more there "
            f"are, here {answer['enrolled']:,}, the higher it has to be"
        )
    if point["resolution"] != "resolved":
        (low, high), cannot = point["threshold_cosine_interval"], CANNOT[point["resolution"]]
        notes.append(
            f"the report has so few searches without a mate that they {cannot} an FPIR of {point['fpir']:g}: "
            f"its threshold may lie anywhere from {low:.4f} "
            + ("upwards" if high is None else f"to {high:.4f}")
        )
    return {
        "threshold": {"cosine": point["threshold_cosine"], "fpir": point["fpir"]},
        "notes": notes,
        "person": first["person"] if first["score"] >= point["threshold_cosine"] else None,
    }


def _point(report: Mapping[str, Any], fpir: float | None, path: Path) -> dict[str, Any]:
    results = report["results"]
    if fpir is None:
        return results["reference"]
    found = [point for point in results["open_set"]["points"] if point["fpir"] == fpir]
    if not found:
        there = ", ".join(f"{point['fpir']:g}" for point in results["open_set"]["points"])
        raise ReportError(
            f"{path}: has no threshold for an FPIR of {fpir:g}; it has one for {there}. "
            f"`python -m eval identify --fpir {fpir:g}` measures one"
        )
    return found[0]


def _write(
    answer: Mapping[str, Any], out: Path, files: Mapping[str, Any] | None, own: Mapping[str, Any] | None
) -> None:
    photo = photo_key(Path(answer["photo"]).name)
    shown = [
        {"is": "asked", "set": "", "name": photo, "score": None, "thumbnail": thumbnail(photo, own)},
        *(
            {
                "is": "near",
                "set": "",
                "name": photo_name(each["photo"]),
                "score": each["score"],
                "thumbnail": thumbnail(each["photo"], files),
            }
            for each in answer["nearest"]
        ),
    ]
    shown = [each for each in shown if each["thumbnail"] is not None]  # stored embeddings have no pictures
    write_text(out / "who.json", json.dumps(answer, indent=1) + "\n")
    write_page(
        out / "who.html", render("who.html.j2", answer=answer, name=photo, photos=shown, words=words(answer))
    )


def words(answer: Mapping[str, Any]) -> str:
    """The answer in a sentence."""
    threshold, first = answer["threshold"], answer["nearest"][0]
    if threshold is None:
        return "no threshold: --report, of python -m eval identify, tells known from unknown people"
    at = f"the threshold {threshold['cosine']:.4f} (FPIR {threshold['fpir']:g})"
    if answer["person"] is None:
        return f"unknown person: the best score, {first['score']:.4f}, is below {at}"
    return f"{answer['person']}: {first['score']:.4f} is at or above {at}"
