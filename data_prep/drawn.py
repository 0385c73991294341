"""Drawn people: the embedded input of the quickstart and of tests, photos that a face detector really finds.

    OUT/train/<person>/<person>_0001.jpg ...    people to train on
    OUT/test/<person>/...                       other people
    OUT/distractors/<person>/...                others again, one photo each, to search among
    OUT/pairs.txt                               pairs of the test people in LFW's format of view 2:
                                                ten folds, no person in two of them
    OUT/train_landmarks.txt ...                 where the landmarks of each part's photos are, as
                                                `align --landmarks` takes them (landmarks_file.py)
    OUT/drawn.json                              what was asked for

Each photo is a pure function of (seed, part, person, photo): a set depends on no number of workers and no
interruption, and a part on no other. How people and photos are drawn is in drawing/.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2

from sphereface_plus.data import streams
from sphereface_plus.files import is_unfinished, new_text, write_bytes
from sphereface_plus.outputs import LOCK, locks
from sphereface_plus.words import counted

from .drawing.landmarks import landmarks_of
from .drawing.people import sample_person, sample_shot
from .drawing.photo import draw_photo
from .errors import PrepError
from .landmarks_file import line_of
from .workers import usable_cpus, work

FOLDS = 10
SETTINGS = "drawn.json"


@dataclass(frozen=True)
class Part:
    """People of one purpose, drawn from a random stream of their own."""

    folder: str
    stream: int
    prefix: str
    """Of their names."""
    people: int
    photos: int
    """Of each of them."""

    @property
    def landmarks(self) -> str:
        """The file of their photos' landmarks."""
        return f"{self.folder}_landmarks.txt"

    def name(self, person: int) -> str:
        return f"{self.prefix}_{person + 1:04d}"

    def photo(self, person: int, photo: int) -> str:
        """Its path in the folder."""
        return f"{self.name(person)}/{self.name(person)}_{photo + 1:04d}.jpg"


@dataclass(frozen=True)
class DrawnPhoto:
    """One photo of a part, by numbers from 0."""

    part: Part
    person: int
    number: int

    @property
    def path(self) -> str:
        """In the folder of the set."""
        return f"{self.part.folder}/{self.part.photo(self.person, self.number)}"


@dataclass(frozen=True)
class DrawnSet:
    """How many people and photos are drawn."""

    people: int = 100
    photos: int = 12
    """Of each person."""
    test_people: int = 60
    """A multiple of ten: each fold has its own. Or 0, for no test and no pairs."""
    test_photos: int = 6
    pairs: int = 50
    """Of each kind (genuine, impostor) in each fold."""
    distractors: int = 0
    """People of one photo each, who are neither trained nor tested on, however many those are."""
    seed: int = 0

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            least = 0 if name in ("people", "test_people", "distractors", "seed") else 1
            if value < least:
                kind = "a positive number" if least else "0 or more"
                raise PrepError(f"{name.replace('_', '-')} must be {kind}, got {value}")
        if not (self.people or self.test_people or self.distractors):
            raise PrepError("there is nobody to draw: give --people, --test-people or --distractors")
        if self.test_people % FOLDS or self.test_people == FOLDS:
            raise PrepError(
                f"test-people must be 20, 30, ...: ten folds of their own, or 0, got {self.test_people}"
            )
        if self.test_people and self.pairs > (most := min(self._genuine, self._impostor)):
            kind = "genuine" if most == self._genuine else "impostor"
            pairs = f"{most:,} {kind} {'pair' if most == 1 else 'pairs'}"
            raise PrepError(
                f"a fold of {counted(self.test_people // FOLDS, 'person')} with "
                f"{counted(self.test_photos, 'photo')} has only {pairs}, asked for {self.pairs}: "
                "give more test photos or fewer pairs"
            )

    @property
    def parts(self) -> list[Part]:
        """Those that have people."""
        parts = (
            Part("train", streams.DRAWN_TRAINING, "train", self.people, self.photos),
            Part("test", streams.DRAWN_TEST, "test", self.test_people, self.test_photos),
            Part("distractors", streams.DRAWN_DISTRACTORS, "distractor", self.distractors, 1),
        )
        return [part for part in parts if part.people]

    def files(self) -> list[DrawnPhoto]:
        """All photos, in their order."""
        return [
            DrawnPhoto(part, person, number)
            for part in self.parts
            for person in range(part.people)
            for number in range(part.photos)
        ]

    @property
    def settings(self) -> str:
        """The content of drawn.json."""
        known = asdict(self)
        if not self.distractors:
            del known["distractors"]  # sets that were drawn before there were any stay the same
        return json.dumps(known, indent=1) + "\n"

    @property
    def _genuine(self) -> int:
        """Genuine pairs that a fold can have."""
        return self.test_people // FOLDS * (self.test_photos * (self.test_photos - 1) // 2)

    @property
    def _impostor(self) -> int:
        share = self.test_people // FOLDS
        return share * (share - 1) // 2 * self.test_photos**2

    def pairs_text(self) -> str:
        """pairs.txt: `folds<TAB>pairs`, then in each fold `name n m` lines and `name n name m` lines."""
        random = streams.generator(self.seed, streams.DRAWN_PAIRS)
        (test,) = (part for part in self.parts if part.folder == "test")
        share = self.test_people // FOLDS
        lines = [f"{FOLDS}\t{self.pairs}"]
        for fold in range(FOLDS):
            first = fold * share
            for index in sorted(random.choice(self._genuine, self.pairs, replace=False).tolist()):
                person, photo, other = genuine_pair(index, self.test_photos)
                lines.append(f"{test.name(first + person)}\t{photo + 1}\t{other + 1}")
            for index in sorted(random.choice(self._impostor, self.pairs, replace=False).tolist()):
                (person, photo), (other, its) = impostor_pair(index, share, self.test_photos)
                names = test.name(first + person), test.name(first + other)
                lines.append(f"{names[0]}\t{photo + 1}\t{names[1]}\t{its + 1}")
        return "\n".join(lines) + "\n"


def genuine_pair(index: int, photos: int) -> tuple[int, int, int]:
    """(person, photo, other photo) of the genuine pair of this index, in the order of all that there are."""
    person, rest = divmod(index, photos * (photos - 1) // 2)
    photo = 0
    while rest >= photos - 1 - photo:
        rest -= photos - 1 - photo
        photo += 1
    return person, photo, photo + 1 + rest


def impostor_pair(index: int, people: int, photos: int) -> tuple[tuple[int, int], tuple[int, int]]:
    """((person, photo), (person, photo)) of the impostor pair of this index, in the same way."""
    person = 0
    while index >= (block := photos * photos * (people - 1 - person)):
        index -= block
        person += 1
    photo, rest = divmod(index, photos * (people - 1 - person))
    other, its = divmod(rest, photos)
    return (person, photo), (person + 1 + other, its)


@locks("out")
def draw_set(
    out: str | Path,
    drawn: DrawnSet = DrawnSet(),
    *,
    workers: int | None = None,
    progress: Callable[[int, int, int], None] | None = None,
) -> int:
    """Draws the set into the folder `out`, or what is missing of it; returns the number of photos drawn now.

    Raises PrepError for a folder that holds something else, PlaceError where nothing can be written.
    """
    out = Path(out)
    if (out / SETTINGS).exists():
        if (out / SETTINGS).read_text() != drawn.settings:
            raise PrepError(f"{out}: was drawn with other settings, see {SETTINGS} there; give a new folder")
    elif any(path.name != f".{LOCK}" for path in out.iterdir()):
        raise PrepError(f"{out}: is not empty; give a new folder")
    out.mkdir(parents=True, exist_ok=True)
    write_bytes(out / SETTINGS, drawn.settings.encode())
    if drawn.test_people:
        write_bytes(out / "pairs.txt", drawn.pairs_text().encode())
    there = _there(out)
    photos = drawn.files()
    missing = [photo for photo in photos if photo.path not in there]
    before = len(photos) - len(missing)
    if progress:
        progress(before, len(photos), 0)
    if not missing and all(part.landmarks in there for part in drawn.parts):
        return 0
    # Of photos that are there the landmarks alone are computed, when all others are drawn.
    items = [*missing, *(photo for photo in photos if photo.path in there)]
    workers = min(workers or usable_cpus(), max(1, len(items) // 25))
    lines: dict[str, str] = {}
    with closing(work(_Artist(out, drawn.seed), items, workers)) as results:
        for number, (photo, line) in enumerate(results, start=before + 1):
            lines[photo.path] = line
            if progress and number <= len(photos):
                progress(number, len(photos), 0)
    for part in drawn.parts:
        with new_text(out / part.landmarks) as file:
            file.writelines(lines[photo.path] for photo in photos if photo.part == part)
    return len(missing)


def _there(out: Path) -> set[str]:
    """Paths of the files in the folder, without what a killed run had not written to its end."""
    found = set()
    for folder, _, names in os.walk(out):
        for path in (Path(folder) / name for name in names):
            if is_unfinished(path) or not path.stat().st_size:  # empty after a power cut
                path.unlink()
            else:
                found.add(path.relative_to(out).as_posix())
    return found


@dataclass(frozen=True)
class _Artist:
    out: Path
    seed: int

    def __call__(self) -> Callable[[DrawnPhoto], str]:
        return self.draw

    def draw(self, photo: DrawnPhoto) -> str:
        """Draws the photo, unless it is there; returns its line of landmarks."""
        stream = photo.part.stream
        person = sample_person(streams.generator(self.seed, stream, photo.person))
        # number + 1: numpy pads seeds with zeros, so photo 0 would be drawn with the person's own numbers
        shot = sample_shot(streams.generator(self.seed, stream, photo.person, photo.number + 1), person)
        path = self.out / photo.path
        if not path.exists():
            pixels = cv2.cvtColor(draw_photo(person, shot), cv2.COLOR_RGB2BGR)
            encoded, data = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, shot.quality])
            assert encoded, "OpenCV could not encode a jpg"
            write_bytes(path, data.tobytes())
        return line_of(photo.part.photo(photo.person, photo.number), landmarks_of(person, shot))
