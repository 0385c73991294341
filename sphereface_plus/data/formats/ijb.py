"""IJB-B's and IJB-C's lists: faces, templates, pairs and galleries.

As insightface gives them out:

    ijbc_face_tid_mid.txt         `image template media` a line: faces of templates, and the photos or videos
                                  that they are from; features in an .npy are in this order
    ijbc_name_5pts_score.txt      `image x y x y x y x y x y score`, the detector's, in the same order
    ijbc_template_pair_label.txt  `template template label`, 1 for one person, 0 for two

and NIST's own CSVs, a row a face, of which the columns TEMPLATE_ID and SUBJECT_ID are read:

    ijbc_1N_gallery_G1.csv, ijbc_1N_gallery_G2.csv, ijbc_1N_probe_mixed.csv
    ijbc_11_G1_G2_matches.csv     `template,template` without a label; subjects tell who is one person

IJB-B has S1 and S2 in place of G1 and G2.
"""

from __future__ import annotations

import csv
import re
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sphereface_plus.errors import UserError
from sphereface_plus.files import read_text
from sphereface_plus.words import counted

FACES = re.compile(r"(?P<set>[a-z0-9]+)_face_tid_mid\.txt")


class IjbError(UserError):
    """A file of IJB-B or IJB-C, or features of it, that cannot be used; the message names it."""


@dataclass(frozen=True)
class Lists:
    """Where the lists of a folder are; None for one that is not there."""

    name: str
    """ijbb, ijbc."""
    faces: Path
    scores: Path | None
    pairs: Path | None
    """With labels, or NIST's without them."""
    galleries: tuple[Path, Path] | None
    probes: Path | None
    """Where there are galleries."""


@dataclass(frozen=True)
class Faces:
    """N faces, in the list's order."""

    file: Path
    names: list[str]
    template: np.ndarray
    """(N,) int64."""
    media: np.ndarray
    """(N,) int64: the photo or video; numbers count for one template only, or for all."""


@dataclass(frozen=True)
class Pairs:
    """P pairs of templates."""

    file: Path
    first: np.ndarray
    """(P,) int64, as `second`: numbers of templates."""
    second: np.ndarray
    genuine: np.ndarray | None
    """(P,) bool; None where the list has no labels."""


@dataclass(frozen=True)
class Subjects:
    """T templates, and whose each is; in the order of their numbers."""

    file: Path
    template: np.ndarray
    """(T,) int64."""
    subject: np.ndarray
    """(T,) int64."""


def find_lists(folder: str | Path) -> Lists:
    """The lists of a folder. Raises IjbError for none, those of two sets, or only some of a protocol's."""
    folder = Path(folder)
    names = sorted(match["set"] for file in folder.iterdir() if (match := FACES.fullmatch(file.name)))
    if not names:
        raise IjbError(
            f"{folder}: holds no list of faces, such as ijbc_face_tid_mid.txt; name the folder meta"
        )
    if len(names) > 1:
        raise IjbError(f"{folder}: holds lists of {' and '.join(names)}; put each in a folder of its own")
    name = names[0]
    first, second = ("S1", "S2") if (folder / f"{name}_1N_gallery_S1.csv").is_file() else ("G1", "G2")

    def there(*endings: str) -> Path | None:
        files = (folder / f"{name}_{ending}" for ending in endings)
        return next((file for file in files if file.is_file()), None)

    one, two = (there(f"1N_gallery_{gallery}.csv") for gallery in (first, second))
    probes = there("1N_probe_mixed.csv")
    pairs = there("template_pair_label.txt", "11_G1_G2_matches.csv", "11_S1_S2_matches.csv")
    searched = {f"gallery_{first}.csv": one, f"gallery_{second}.csv": two, "probe_mixed.csv": probes}
    missing = [f"{name}_1N_{ending}" for ending, file in searched.items() if file is None]
    if 0 < len(missing) < len(searched):
        raise IjbError(f"{folder}: lacks {' and '.join(missing)}, which the search needs; put it there, too")
    if pairs is None and missing:
        raise IjbError(
            f"{folder}: holds faces, but neither pairs ({name}_template_pair_label.txt) nor galleries "
            f"({missing[0]})"
        )
    galleries = None if one is None or two is None else (one, two)
    scores = there("name_5pts_score.txt")
    return Lists(name, folder / f"{name}_face_tid_mid.txt", scores, pairs, galleries, probes)


def read_faces(file: str | Path) -> Faces:
    """Raises IjbError for another file."""
    file = Path(file)
    names, numbers = [], []
    for number, line in enumerate(_lines(file), start=1):
        fields = line.rsplit(maxsplit=2)
        try:
            name, template, media = fields
            numbers.append((int(template), int(media)))
        except ValueError:
            raise IjbError(
                f"{file}: line {number:,} is {line.strip()[:100]!r}, not an image, its template's number "
                "and its media's number"
            ) from None
        names.append(name.strip())
    if not names:
        raise IjbError(f"{file}: the list of faces is empty")
    return Faces(file, names, *_columns(file, np.array(numbers, dtype=object)))


def read_scores(file: str | Path, faces: Faces) -> np.ndarray:
    """The detector's scores (N,) float64 of the faces. Raises IjbError for a list of other faces."""
    file, scores = Path(file), []
    for number, line in enumerate(_lines(file), start=1):
        fields = line.split()
        if number <= len(faces.names) and fields[:1] != [faces.names[number - 1]]:
            raise IjbError(
                f"{file}: line {number:,} is of {fields[0] if fields else 'nothing'}, "
                f"{faces.names[number - 1]} in {faces.file.name}; both lists need the same faces in one order"
            )
        try:
            score = float(fields[-1]) if len(fields) > 1 else np.nan
        except ValueError:
            score = np.nan
        if not (np.isfinite(score) and score >= 0):
            raise IjbError(f"{file}: line {number:,} does not end in a score, a number that is 0 or more")
        scores.append(score)
    if len(scores) != len(faces.names):
        raise IjbError(
            f"{file}: has {len(scores):,} lines for the {len(faces.names):,} faces of {faces.file.name}"
        )
    return np.array(scores)


def read_pairs(file: str | Path) -> Pairs:
    """Pairs with labels, divided by white space, or without them, by commas. Raises IjbError."""
    file = Path(file)
    try:
        with warnings.catch_warnings():  # of an empty file, which is refused below
            warnings.simplefilter("ignore", UserWarning)
            separator = "," if file.suffix == ".csv" else None
            numbers = np.loadtxt(file, np.int64, comments=None, ndmin=2, delimiter=separator)
    except OSError as error:  # numpy raises one without a reason
        raise IjbError(f"{file}: cannot be read ({error.strerror or 'there is no such file'})") from None
    except ValueError as error:  # numpy's own words name the row
        raise IjbError(f"{file}: is not a list of pairs ({str(error).split(';')[0].rstrip('.')})") from None
    if not numbers.size:
        raise IjbError(f"{file}: the list of pairs is empty")
    if numbers.shape[1] not in (2, 3):
        raise IjbError(
            f"{file}: has {counted(numbers.shape[1], 'number')} a line, not two templates and perhaps a label"
        )
    first, second = np.ascontiguousarray(numbers[:, 0]), np.ascontiguousarray(numbers[:, 1])
    if numbers.shape[1] == 2:
        return Pairs(file, first, second, None)
    label = numbers[:, 2]
    wrong = np.flatnonzero((label != 0) & (label != 1))
    if len(wrong):
        raise IjbError(f"{file}: the label of pair {wrong[0] + 1:,} is {label[wrong[0]]}, neither 0 nor 1")
    return Pairs(file, first, second, label == 1)


def read_subjects(file: str | Path) -> Subjects:
    """Templates and subjects of one of NIST's CSVs, a row a face. Raises IjbError."""
    file = Path(file)
    subject_of: dict[int, int] = {}
    rows = csv.reader(_lines(file))
    try:
        header = [name.strip().upper() for name in next(rows, [])]
        missing = [name for name in ("TEMPLATE_ID", "SUBJECT_ID") if name not in header]
        if missing:
            raise IjbError(f"{file}: its first line does not name the column {missing[0]}")
        template_at, subject_at = header.index("TEMPLATE_ID"), header.index("SUBJECT_ID")
        for row in filter(None, rows):
            try:
                template, subject = int(row[template_at]), int(row[subject_at])
                if subject < 0:
                    raise ValueError
            except (ValueError, IndexError):
                raise IjbError(
                    f"{file}: line {rows.line_num:,} has no number in the column TEMPLATE_ID, or none "
                    "that is 0 or more in SUBJECT_ID"
                ) from None
            if subject_of.setdefault(template, subject) != subject:
                raise IjbError(
                    f"{file}: template {template} is of subject {subject_of[template]}, and in line "
                    f"{rows.line_num:,} of {subject}"
                )
    except csv.Error as error:
        raise IjbError(f"{file}: line {rows.line_num:,} is not of a CSV ({error})") from None
    if not subject_of:
        raise IjbError(f"{file}: holds no template")
    return Subjects(file, *_columns(file, np.array(sorted(subject_of.items()), dtype=object)))


def _columns(file: Path, numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(n, 2) of Python's integers as two int64 (n,)."""
    try:
        first, second = numbers.astype(np.int64).T
    except OverflowError:
        raise IjbError(f"{file}: holds a number of more than 18 digits") from None
    return np.ascontiguousarray(first), np.ascontiguousarray(second)


def _lines(file: Path) -> list[str]:
    """The lines of a text, those at its end that are empty left out."""
    try:
        return read_text(file).rstrip().splitlines()
    except OSError as error:
        raise IjbError(f"{file}: cannot be read ({error.strerror})") from None
    except UnicodeDecodeError:
        raise IjbError(f"{file}: is not a text") from None
