"""Drawn people: the embedded input of the quickstart and of tests, photos that a face detector really finds.

    OUT/train/<person>/<person>_0001.jpg ...    people to train on
    OUT/test/<person>/...                       other people
    OUT/pairs.txt                               pairs of the test people in LFW's format of view 2:
                                                ten folds, no person in two of them
    OUT/drawn.json                              what was asked for

Each photo is a pure function of (seed, person, photo): a set depends on no number of workers and no
interruption. How people and photos are drawn is in drawing/.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2

from sphereface_plus.data import streams
from sphereface_plus.files import write_bytes
from sphereface_plus.outputs import LOCK, locks
from sphereface_plus.words import counted

from .drawing.people import sample_person, sample_shot
from .drawing.photo import draw_photo
from .errors import PrepError
from .workers import usable_cpus, work

FOLDS = 10
SETTINGS = "drawn.json"


@dataclass(frozen=True)
class DrawnSet:
    """How many people and photos are drawn."""

    people: int = 100
    photos: int = 12
    """Of each person."""
    test_people: int = 60
    """A multiple of ten: each fold has its own."""
    test_photos: int = 6
    pairs: int = 50
    """Of each kind (genuine, impostor) in each fold."""
    seed: int = 0

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if value < (0 if name == "seed" else 1):
                raise PrepError(f"{name.replace('_', '-')} must be a positive number, got {value}")
        if self.test_people % FOLDS or self.test_people < 2 * FOLDS:
            raise PrepError(
                f"test-people must be 20, 30, ...: ten folds of their own, got {self.test_people}"
            )
        genuine, impostor = (len(pairs) for pairs in self._possible(0))
        if self.pairs > min(genuine, impostor):
            raise PrepError(
                f"a fold of {counted(self.test_people // FOLDS, 'person')} with "
                f"{counted(self.test_photos, 'photo')} has only {genuine} genuine pairs, asked for "
                f"{self.pairs}: give more test photos or fewer pairs"
            )

    def _possible(self, fold: int) -> tuple[list, list]:
        """All genuine and all impostor pairs of a fold, each ((person, photo), (person, photo))."""
        share = self.test_people // FOLDS
        people = range(fold * share, (fold + 1) * share)
        pairs = list(itertools.combinations(itertools.product(people, range(self.test_photos)), 2))
        return [p for p in pairs if p[0][0] == p[1][0]], [p for p in pairs if p[0][0] != p[1][0]]

    def files(self) -> list[tuple[int, int, int, str]]:
        """(part, person, photo, path) of each photo; the part is its random stream."""
        parts = (
            (streams.DRAWN_TRAINING, "train", self.people, self.photos),
            (streams.DRAWN_TEST, "test", self.test_people, self.test_photos),
        )
        return [
            (part, person, photo, f"{folder}/{_name(part, person)}/{_name(part, person)}_{photo + 1:04d}.jpg")
            for part, folder, people, photos in parts
            for person in range(people)
            for photo in range(photos)
        ]

    def pairs_text(self) -> str:
        """pairs.txt: `folds<TAB>pairs`, then in each fold `name n m` lines and `name n name m` lines."""
        random = streams.generator(self.seed, streams.DRAWN_PAIRS)
        lines = [f"{FOLDS}\t{self.pairs}"]
        for fold in range(FOLDS):
            for possible in self._possible(fold):
                for index in sorted(random.choice(len(possible), self.pairs, replace=False)):
                    (person, photo), (other, other_photo) = possible[index]
                    second = (_name(streams.DRAWN_TEST, other),) if other != person else ()
                    fields = (_name(streams.DRAWN_TEST, person), photo + 1, *second, other_photo + 1)
                    lines.append("\t".join(map(str, fields)))
        return "\n".join(lines) + "\n"


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
    settings = json.dumps(asdict(drawn), indent=1) + "\n"
    if (out / SETTINGS).exists():
        if (out / SETTINGS).read_text() != settings:
            raise PrepError(f"{out}: was drawn with other settings, see {SETTINGS} there; give a new folder")
    elif any(path.name != f".{LOCK}" for path in out.iterdir()):
        raise PrepError(f"{out}: is not empty; give a new folder")
    out.mkdir(parents=True, exist_ok=True)
    write_bytes(out / SETTINGS, settings.encode())
    write_bytes(out / "pairs.txt", drawn.pairs_text().encode())
    files = drawn.files()
    missing = [file for file in files if not (out / file[3]).exists()]
    before = len(files) - len(missing)
    if progress:
        progress(before, len(files), 0)
    workers = min(workers or usable_cpus(), max(1, len(missing) // 25))
    with closing(work(_Artist(out, drawn.seed), missing, workers)) as results:
        for number, _ in enumerate(results, start=before + 1):
            if progress:
                progress(number, len(files), 0)
    return len(missing)


@dataclass(frozen=True)
class _Artist:
    out: Path
    seed: int

    def __call__(self) -> Callable[[tuple[int, int, int, str]], None]:
        return self.draw

    def draw(self, file: tuple[int, int, int, str]) -> None:
        part, number, photo, path = file
        person = sample_person(streams.generator(self.seed, part, number))
        # photo + 1: numpy pads seeds with zeros, so that photo 0 would be drawn with the person's own numbers
        shot = sample_shot(streams.generator(self.seed, part, number, photo + 1), person)
        pixels = cv2.cvtColor(draw_photo(person, shot), cv2.COLOR_RGB2BGR)
        encoded, data = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, shot.quality])
        assert encoded, "OpenCV could not encode a jpg"
        write_bytes(self.out / path, data.tobytes())


def _name(part: int, person: int) -> str:
    return f"{'test' if part == streams.DRAWN_TEST else 'train'}_{person + 1:04d}"
