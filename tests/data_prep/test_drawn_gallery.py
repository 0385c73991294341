"""Large drawn sets: true landmarks beside the photos, distractors, and going on after a kill."""

from __future__ import annotations

import hashlib
import itertools
from pathlib import Path

import numpy as np
import pytest

from data_prep.align import align_folder
from data_prep.cropping import make_detector
from data_prep.drawing.landmarks import landmarks_of
from data_prep.drawing.people import sample_person, sample_shot
from data_prep.drawing.photo import draw_photo
from data_prep.drawn import DrawnSet, draw_set, genuine_pair, impostor_pair
from data_prep.errors import PrepError
from data_prep.landmarks_file import read_landmarks
from data_prep.settings import Cropping
from sphereface_plus.data import streams
from sphereface_plus.data.formats.manifest import LANDMARK_COLUMNS, read_manifest
from tests.data_prep.aligning import FAST

ALL = DrawnSet(people=2, photos=2, test_people=20, test_photos=2, pairs=2, distractors=3)


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def drawn(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("drawn") / "set"
    assert draw_set(folder, ALL, workers=1) == 4 + 40 + 3
    return folder


@pytest.mark.parametrize(("people", "photos"), [(2, 2), (3, 4), (6, 6), (5, 1), (2, 7)])
def test_the_pair_of_an_index_is_that_of_all_pairs_written_out(people, photos):
    everyone = list(itertools.combinations(itertools.product(range(people), range(photos)), 2))
    genuine = [(a[0], a[1], b[1]) for a, b in everyone if a[0] == b[0]]
    impostor = [pair for pair in everyone if pair[0][0] != pair[1][0]]
    assert [genuine_pair(index, photos) for index in range(len(genuine))] == genuine
    assert [impostor_pair(index, people, photos) for index in range(len(impostor))] == impostor


def test_the_quickstarts_pairs_are_what_they_were():
    text = DrawnSet().pairs_text()
    known = "207cb1f836e014df7075d22292bf10ce9ecdab078c149678bc1fd37c2cd3ffb6"
    assert hashlib.sha256(text.encode()).hexdigest() == known
    assert '"distractors"' not in DrawnSet().settings


def test_ten_thousand_people_to_test_on_have_pairs_at_once():
    text = DrawnSet(test_people=10_000, test_photos=100, pairs=300).pairs_text()
    assert len(set(text.splitlines())) == 1 + 10 * 2 * 300


def test_distractors_are_the_same_alone_and_nobody_else(drawn, tmp_path):
    alone = DrawnSet(people=0, test_people=0, distractors=5)
    draw_set(tmp_path / "alone", alone, workers=1)
    names = sorted(path.name for path in (tmp_path / "alone").iterdir())
    assert names == ["distractors", "distractors_landmarks.txt", "drawn.json"]
    there, here = files(drawn / "distractors"), files(tmp_path / "alone/distractors")
    assert there == {name: data for name, data in here.items() if name in there}
    assert len(here) == 5


def test_people_to_train_on_to_test_on_and_distractors_are_others():
    parts = (streams.DRAWN_TRAINING, streams.DRAWN_TEST, streams.DRAWN_DISTRACTORS)
    people = [
        sample_person(streams.generator(0, part, number)).parting for part in parts for number in range(300)
    ]
    assert len(set(people)) == 900


def test_a_killed_set_goes_on_to_the_same_bytes_with_any_number_of_workers(drawn, tmp_path):
    def stop(done: int, total: int, failed: int) -> None:
        if done == 30:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        draw_set(tmp_path / "set", ALL, workers=1, progress=stop)
    person = tmp_path / "set/train/train_0001"
    (person / ".train_0001_0001.jpg.0123abcd.tmp").write_bytes(b"half a ph")
    (person / "train_0001_0002.jpg").write_bytes(b"")  # as a power cut leaves it
    seen = []
    assert draw_set(tmp_path / "set", ALL, workers=2, progress=lambda *now: seen.append(now)) == 47 - 30 + 1
    assert files(tmp_path / "set") == files(drawn)
    assert [done for done, _, _ in seen] == [*range(29, 48)]
    assert {total for _, total, _ in seen} == {47}
    assert draw_set(tmp_path / "set", ALL, workers=1) == 0
    (tmp_path / "set/test_landmarks.txt").unlink()
    assert draw_set(tmp_path / "set", ALL, workers=1) == 0
    assert files(tmp_path / "set") == files(drawn)


def test_a_set_drawn_before_there_were_distractors_is_gone_on_with(drawn, tmp_path):
    before = DrawnSet(people=1, photos=1, test_people=0)
    assert draw_set(tmp_path / "set", before, workers=1) == 1
    with pytest.raises(PrepError, match="was drawn with other settings, see drawn"):
        draw_set(tmp_path / "set", DrawnSet(people=1, photos=1, test_people=0, distractors=1), workers=1)


def test_landmarks_are_the_projected_points_of_the_head():
    """Eyes and mouth by the formulas of canvas.py and features.py, written out."""
    person = sample_person(np.random.default_rng(1))
    shot = sample_shot(np.random.default_rng(2), person)
    cos, sin = np.cos, np.sin

    def seen(x: float, y: float, lift: float = 0.0) -> tuple[float, float]:
        z = np.sqrt(max(0.02, 1.02 - 0.82 * x**2 - (y / 1.75) ** 2)) + lift
        x, z = cos(shot.yaw) * x + sin(shot.yaw) * z, cos(shot.yaw) * z - sin(shot.yaw) * x
        y, z = cos(shot.pitch) * y + sin(shot.pitch) * z, cos(shot.pitch) * z - sin(shot.pitch) * y
        x, y = cos(shot.roll) * x - sin(shot.roll) * y, sin(shot.roll) * x + cos(shot.roll) * y
        far = shot.scale / (1 - 0.09 * z)
        return shot.centre[0] + far * x, shot.centre[1] + far * y

    half = person.mouth_width * (1 + 0.14 * shot.smile)
    corner = person.mouth_y + person.mouth_droop - 0.09 * shot.smile
    landmarks = landmarks_of(person, shot)
    np.testing.assert_allclose(landmarks[0], seen(-person.eye_distance, person.eye_y))
    np.testing.assert_allclose(landmarks[1], seen(person.eye_distance, person.eye_y))
    np.testing.assert_allclose(landmarks[3], seen(-half, corner, 0.06))
    np.testing.assert_allclose(landmarks[4], seen(half, corner, 0.06))
    tip = person.eye_y + person.nose_length
    depth = np.sqrt(1.02 - (tip / 1.75) ** 2) - np.sqrt(1.02 - ((tip - 0.06) / 1.75) ** 2)
    np.testing.assert_allclose(landmarks[2], seen(0, tip - 0.06, depth + person.nose_height))


def test_the_detector_finds_the_landmarks_where_they_are():
    detector = make_detector(Cropping(min_face=50))
    distances = []
    for number in range(4):
        person = sample_person(np.random.default_rng((5, number)))
        shot = sample_shot(np.random.default_rng((5, number, 1)), person)
        (found,) = detector.detect([draw_photo(person, shot)])
        distances.append(np.linalg.norm(found.landmarks[0] - landmarks_of(person, shot), axis=1))
    assert np.median(distances) < 4  # pixels, of faces that are some 90 high


def test_a_large_set_is_aligned_by_its_landmarks_without_detection(drawn, tmp_path):
    given = read_landmarks(drawn / "train_landmarks.txt")
    assert sorted(given) == sorted(files(drawn / "train"))
    summary = align_folder(
        drawn / "train", tmp_path / "crops", landmarks=drawn / "train_landmarks.txt", **FAST
    )
    assert (summary.num_photos, summary.methods) == (4, {"given": 4})
    rows = read_manifest(tmp_path / "crops/manifest.csv").set_index("source")[list(LANDMARK_COLUMNS)]
    for name, landmarks in given.items():
        np.testing.assert_array_equal(rows.loc[name].to_numpy().reshape(5, 2), landmarks)
