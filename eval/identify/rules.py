"""Which photos are searched, and among which: the rules, applied and counted.

A probe whose image is in the gallery, too, would find itself: it is left out.
A distractor must not be a person who is searched for: those with a name of the gallery's or the probes' are
left out, and those whose image is one of theirs, byte by byte. So are those with one of their numbers: that
may be another list's label of somebody else, but one person too few makes hardly a difference, and a mate
among the distractors makes a miss of each of its searches. `other_numbers` says that they are others.
Without probes each photo of the gallery is searched for among the others (leave-one-out); of a person's
photos that are equal, byte by byte, the first stays.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from sphereface_plus.data.formats.embeddings import EmbeddingsError
from sphereface_plus.data.trained_on import same_name
from sphereface_plus.words import counted

from ..errors import PhotosError
from ..groups import Groups, check_some
from ..model import Embedded
from ..photos import first_three, several_faces
from ..report_fit import fingerprint, states_flip
from ..scores import SAME_IMAGE, without_direction
from .copies import copies_in
from .named_photos import NamedPhotos

NUM_NAMED = 3
"""Names in a note."""


@dataclass
class PhotoSet:
    """Photos, their embeddings, and which of them stay."""

    photos: NamedPhotos
    embedded: Embedded
    kept: np.ndarray = field(init=False)
    """(N,) bool."""

    def __post_init__(self) -> None:
        self.kept = np.ones(len(self.photos.keys), dtype=bool)

    @property
    def rows(self) -> np.ndarray:
        """(N, D)."""
        return self.embedded.rows

    @property
    def kept_rows(self) -> np.ndarray:
        """(K, D): those that were kept; no copy where all were, as they may be memory-mapped."""
        return self.rows if self.kept.all() else self.rows[self.kept]

    def crops(self) -> Sequence[Any] | None:
        """Of all photos, in their order; None where they are not available."""
        files = self.embedded.files
        if files is None or any(key not in files for key in self.photos.keys):
            return None
        return [files[key] for key in self.photos.keys]


Note = dict[str, Any]
"""`words` with the count at their end, `count`, `role`, and `examples`, photo keys or names of people."""


def check_people(found: Mapping[str, NamedPhotos], groups: Groups | None) -> None:
    """Raises PhotosError, before anything is embedded, where nobody could be taken for somebody else, and
    where `groups` says nothing of the people who are searched for. found: by their roles."""
    gallery, probes = found["gallery"], found.get("probes")
    searched_for = gallery if probes is None else probes
    if len({*gallery.people, *searched_for.people}) < 2 and found.keys() <= {"gallery", "probes"}:
        raise PhotosError(
            f"{gallery.place}: shows one person, {gallery.people[0]}, who cannot be taken for anybody "
            "else: two people at least are needed; add people, or give --distractors"
        )
    if groups is not None:
        check_some(groups, searched_for.people)


def check_rows(sets: Sequence[PhotoSet]) -> None:
    """Raises EmbeddingsError for embeddings of two models or dimensions, or without a direction (zeros)."""
    first = sets[0]
    for other in sets[1:]:
        ours, theirs = (fingerprint(each.embedded.model) for each in (first, other))
        if ours and theirs and ours != theirs:
            raise EmbeddingsError(
                f"{first.photos.place} has embeddings of the model {ours[:12]}... (sha256), "
                f"{other.photos.place} of {theirs[:12]}...; scores of two models mean nothing, embed both "
                "with one"
            )
        if other.rows.shape[1] != first.rows.shape[1]:
            raise EmbeddingsError(
                f"{first.photos.place} has embeddings of {first.rows.shape[1]} numbers, {other.photos.place} "
                f"of {other.rows.shape[1]}; embed both with one model and the same flip"
            )
    for each in sets:
        wrong = without_direction(each.rows)
        if len(wrong):
            raise EmbeddingsError(
                f"{each.photos.place}: {len(wrong):,} of {counted(len(each.rows), 'embedding')} have no "
                f"direction, they are zero or not finite ({first_three(_keys(each, wrong))}); make them "
                "again, or take these photos away"
            )


def unstated(sets: Sequence[PhotoSet]) -> list[Note]:
    """Sets whose embeddings do not say what they are of, so that nobody can tell whether they go with the
    others; none where all are of one file."""
    if len({each.embedded.model["sha256"] for each in sets}) < 2:
        return []
    notes: list[Note] = []
    for each in sets:
        record = each.embedded.model
        parts = {"model": bool(fingerprint(record)), "flip fusion": states_flip(record)}
        if missing := [part for part, known in parts.items() if not known]:
            words = (
                f"{each.photos.role.capitalize()}: the embeddings do not state their "
                f"{' and '.join(missing)}; scores with the other sets mean something only if theirs is the "
                "same"
            )
            count = len(each.rows)
            notes.append(
                {"role": each.photos.role, "words": f"{words}: {count:,}.", "count": count, "examples": []}
            )
    return notes


def apply_rules(
    gallery: PhotoSet,
    probes: PhotoSet | None,
    distractors: Sequence[PhotoSet],
    *,
    other_numbers: bool = False,
) -> list[Note]:
    """Takes out what the rules above say, and returns what was found, in words.

    other_numbers: whether distractors named by numbers are others whatever the number.
    Raises PhotosError where nothing is left.
    """
    searched = [gallery] if probes is None else [gallery, probes]
    notes = [note for each in (*searched, *distractors) for note in _several_faces(each)]
    if probes is None:
        notes += _copies_of_a_person(gallery)
    else:
        found = _copies(gallery, probes)
        probes.kept[list(found)] = False
        words = "Probes left out, as their image is in the gallery, byte by byte, and would find itself"
        notes += _note("probes", words, _keys(probes, found))
        if not probes.kept.any():
            raise PhotosError(f"{probes.photos.place}: all its images are in the gallery, too; give others")
        notes += _odd_names(gallery, probes)
    notes += _two_people(gallery)
    people = {same_name(name): name for each in searched for name in each.photos.people}
    for each in distractors:
        notes += _overlap(each, people, searched, other_numbers)
        if not each.kept.any():
            numbers = all(same_name(name).isdecimal() for name in each.photos.people)
            raise PhotosError(
                f"{each.photos.place}: all its people or images are those of the gallery or the probes; "
                "give distractors who are not"
                + (", or --other-numbers if its numbers are of other people" if numbers else "")
            )
    return notes


def _several_faces(photos: PhotoSet) -> list[Note]:
    keys = sorted(photos.embedded.several_faces)
    if not keys:
        return []
    words = (
        f"{photos.photos.role.capitalize()}: {several_faces(keys, photos.embedded.preparation['settings'])}."
    )
    return [{"role": photos.photos.role, "words": words, "count": len(keys), "examples": keys[:NUM_NAMED]}]


def same_images(
    probes: PhotoSet, rows: np.ndarray, mate_score: np.ndarray, highest: np.ndarray
) -> list[Note]:
    """Images that are one by their embeddings, as when one was stored anew: nothing is left out for them.

    rows (Q,) of the probes, of each search, their scores with the mate (Q,) and the highest with others (Q,).
    """
    notes: list[Note] = []
    for scores, whose in ((mate_score, "the mate's"), (highest, "somebody else's")):
        words = (
            f"Probes that stay, and whose embedding is {whose} entry as well (cosine 0.99999), so that both "
            "seem to be one image"
        )
        notes += _note(probes.photos.role, words, _keys(probes, np.unique(rows[scores >= SAME_IMAGE])))
    return notes


def _overlap(
    distractors: PhotoSet, people: dict[str, str], searched: Sequence[PhotoSet], other_numbers: bool
) -> list[Note]:
    role, names = distractors.photos.role, distractors.photos.people
    given = np.array([bool(name) for name in names])
    number = np.array([same_name(name).isdecimal() for name in names])
    same = given & np.array([same_name(name) in people for name in names])
    distractors.kept[same & ~number] = False
    words = "Distractors left out, as they have the name of somebody in the gallery or the probes"
    notes = _note(role, words, [names[row] for row in np.flatnonzero(same & ~number)])
    doubtful = [names[row] for row in np.flatnonzero(same & number)]
    if other_numbers:
        words = "Distractors that stay, by --other-numbers, with the number of somebody in the gallery or the"
        notes += _note(role, f"{words} probes", doubtful)
    else:
        distractors.kept[same & number] = False
        words = "Distractors left out, as they have the number of somebody in the gallery or the probes (if "
        notes += _note(
            role, f"{words}these are numbers of other people, --other-numbers keeps them)", doubtful
        )
    copies = sorted({row for each in searched for row in _copies(each, distractors) if distractors.kept[row]})
    distractors.kept[copies] = False
    words = "Distractors left out, as their image is one of the gallery or the probes, byte by byte"
    notes += _note(role, words, _keys(distractors, copies))
    if unsure := int(np.sum((~given | number) & ~same)):
        words = "Distractors whose names cannot show that they are others: they have none, or a number"
        notes += [{"role": role, "words": f"{words}: {unsure:,}.", "count": unsure, "examples": []}]
    return notes


def _copies_of_a_person(gallery: PhotoSet) -> list[Note]:
    again = []
    for row, others in _copies(gallery, gallery).items():
        if any(
            other < row and gallery.photos.people[other] == gallery.photos.people[row] for other in others
        ):
            again.append(row)
    gallery.kept[again] = False
    words = "Photos left out, as they are copies of another of the same person, byte by byte"
    return _note("gallery", words, _keys(gallery, again))


def _two_people(gallery: PhotoSet) -> list[Note]:
    people = gallery.photos.people
    found = [
        row
        for row, others in _copies(gallery, gallery).items()
        if any(people[other] != people[row] for other in others)
    ]
    words = "Photos of the gallery whose image is another person's, too: whose it is, is not certain"
    return _note("gallery", words, _keys(gallery, found))


def _odd_names(gallery: PhotoSet, probes: PhotoSet) -> list[Note]:
    there = {same_name(name): name for name in gallery.photos.people}
    exact = set(gallery.photos.people)
    odd = sorted({name for name in probes.photos.people if name not in exact and same_name(name) in there})
    words = "People of the probes whose name is in the gallery written otherwise, and who count as others"
    notes = _note("probes", words, odd)
    same = sorted(set(gallery.photos.keys) & set(_keys(probes, np.flatnonzero(probes.kept))))
    words = "Photos with one name in the gallery and the probes, whose images differ"
    return notes + _note("probes", words, same)


def _note(role: str, words: str, examples: Sequence[str]) -> list[Note]:
    if not examples:
        return []
    return [
        {
            "role": role,
            "words": f"{words}: {len(examples):,}.",
            "count": len(examples),
            "examples": list(dict.fromkeys(examples))[:NUM_NAMED],
        }
    ]


def _copies(among: PhotoSet, images: PhotoSet) -> dict[int, list[int]]:
    ours, theirs = among.crops(), images.crops()
    if ours is None or theirs is None:
        return copies_in(among.rows, images.rows)
    return copies_in(ours, theirs)


def _keys(photos: PhotoSet, rows: Any) -> list[str]:
    return [photos.photos.keys[row] for row in rows]
