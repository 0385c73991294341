"""The detector against facenet-pytorch's on drawn and real photos, and where the two are meant to differ."""

from __future__ import annotations

import cv2
import facenet_pytorch
import numpy as np
import pytest
import torch

from data_prep import mtcnn, pyramid
from data_prep.detection import Faces, pick
from data_prep.errors import PrepError
from data_prep.images import read_photo
from data_prep.mtcnn import MTCNN, _landmarks

MIRRORED = [1, 0, 2, 4, 3]  # left and right exchanged


@pytest.fixture(autouse=True)
def _one_thread():
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def detector() -> MTCNN:
    return MTCNN()


def face(side: int, seed: int = 0) -> np.ndarray:
    """A plain drawing of a face with noise, in a photo of side x side pixels."""
    photo = np.full((side, side, 3), (90, 110, 130), np.uint8)

    def ellipse(x: float, y: float, width: float, height: float, colour: tuple[int, int, int]) -> None:
        centre, axes = (tuple(round(v * side * 16 / 200) for v in pair) for pair in ((x, y), (width, height)))
        cv2.ellipse(photo, centre, axes, 0, 0, 360, colour, cv2.FILLED, cv2.LINE_AA, shift=4)

    ellipse(100, 85, 62, 70, (60, 40, 30))  # hair
    ellipse(100, 105, 50, 65, (224, 172, 140))
    for x in (80, 120):  # eyes and brows
        ellipse(x, 92, 10, 5.5, (245, 240, 235))
        ellipse(x, 92, 4.5, 4.5, (50, 35, 30))
        ellipse(x, 80, 13, 3, (70, 45, 35))
    ellipse(100, 118, 9, 5, (190, 130, 105))  # nose
    ellipse(100, 112, 4, 14, (236, 186, 155))
    ellipse(100, 141, 20, 6, (170, 70, 75))  # mouth
    blurred = cv2.GaussianBlur(photo, (0, 0), max(0.5, 0.006 * side))
    noise = np.random.default_rng(seed).normal(0, 4, photo.shape)
    return (blurred + noise).clip(0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def crowd() -> np.ndarray:
    """Eight faces of three sizes, two of them cut by the border: (360, 460, 3)."""
    small = np.vstack([face(100, 1), face(100, 2)])
    above = np.hstack([face(200, 3)[:, 60:], small, small[:, ::-1], face(200, 4)[:, :120]])
    below = np.hstack([face(160, 5), face(160, 6), np.full((160, 140, 3), 99, np.uint8)])
    return np.vstack([above, below])


def released(photo: np.ndarray, **settings) -> Faces:
    """What facenet-pytorch finds, best first."""
    settings = {"min_face_size": 20, "factor": 0.85, "thresholds": [0.6, 0.7, 0.9]} | settings
    detector = facenet_pytorch.MTCNN(keep_all=True, select_largest=False, **settings)
    boxes, scores, landmarks = detector.detect(photo, landmarks=True)
    if boxes is None:
        return Faces(np.zeros((0, 4)), np.zeros(0), np.zeros((0, 5, 2)))
    return Faces(*(np.array(x, dtype=np.float64) for x in (boxes, scores, landmarks)))


def assert_same(found: Faces, expected: Faces) -> None:
    for ours, theirs in ((found.boxes, expected.boxes), (found.scores, expected.scores)):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-3)


def assert_identical(found: Faces, expected: Faces) -> None:
    for name in ("boxes", "scores", "landmarks"):
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))


def test_the_same_faces_as_facenet_pytorch_in_a_crowd(detector, crowd):
    expected = released(crowd)
    assert len(expected) >= 6
    assert_same(detector.detect([crowd])[0], expected)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        # Not 40: there a face across the border lies so close to two answers that the processor decides.
        ({"min_face": 50}, {"min_face_size": 50}),
        ({"factor": 0.709}, {"factor": 0.709}),
        ({"thresholds": (0.5, 0.6, 0.3)}, {"thresholds": [0.5, 0.6, 0.3]}),
    ],
    ids=["min_face", "factor", "thresholds"],
)
def test_the_same_faces_as_facenet_pytorch_under_other_settings(crowd, ours, theirs):
    expected = released(crowd, **theirs)
    assert len(expected) >= 4
    assert_same(MTCNN(**ours).detect([crowd])[0], expected)


def test_each_setting_matters(detector, crowd):
    defaults = detector.detect([crowd])[0]
    for settings in ({"min_face": 40}, {"factor": 0.6}, {"thresholds": (0.6, 0.7, 0.999)}):
        other = MTCNN(**settings).detect([crowd])[0]
        assert len(other) != len(defaults) or abs(other.boxes - defaults.boxes).max() > 0.5


def test_a_photo_has_the_same_faces_alone_and_in_any_batch(detector, crowd):
    photos = [crowd, face(200), np.zeros((5, 300, 3), np.uint8), face(110, 1), crowd[:150]]
    alone = [MTCNN().detect([photo])[0] for photo in photos]
    assert [len(faces) > 0 for faces in alone] == [True, True, False, True, True]
    for order in ([0, 1, 2, 3, 4], [4, 3, 2, 1, 0], [1, 1, 0, 4, 1]):
        for found, index in zip(detector.detect([photos[i] for i in order]), order, strict=True):
            assert_identical(found, alone[index])


def test_sheets_and_batches_of_crops_change_nothing(detector, crowd, monkeypatch):
    whole = detector.detect([crowd])[0]
    monkeypatch.setattr(pyramid, "SIDE", 48)
    monkeypatch.setattr(pyramid, "ROUNDED", 2)
    monkeypatch.setattr(mtcnn, "laid_out", pyramid.laid_out.__wrapped__)
    monkeypatch.setattr(pyramid, "_sheet", pyramid._sheet.__wrapped__)
    monkeypatch.setattr(mtcnn, "RNET_CROPS", 7)
    monkeypatch.setattr(mtcnn, "ONET_CROPS", 1)
    assert_same(detector.detect([crowd])[0], whole)


@pytest.mark.parametrize("shape", [(1, 1), (19, 300), (300, 19), (11, 11), (20, 20), (2000, 21)])
def test_a_photo_without_room_for_a_face_has_none(detector, shape):
    (faces,) = detector.detect([np.random.default_rng(0).integers(0, 256, (*shape, 3), np.uint8)])
    assert faces.boxes.shape == (0, 4)
    assert faces.scores.shape == (0,)
    assert faces.landmarks.shape == (0, 5, 2)


def test_no_photos_are_no_results(detector):
    assert detector.detect([]) == []


def test_a_plain_photo_has_no_face(detector):
    assert len(detector.detect([np.full((200, 200, 3), 128, np.uint8)])[0]) == 0


def test_faces_come_best_first(detector, crowd):
    scores = detector.detect([crowd])[0].scores
    assert (np.diff(scores) <= 0).all()
    assert ((scores > 0.9) & (scores <= 1)).all()


def test_landmarks_count_from_the_centre_of_the_first_pixel_of_what_onet_saw():
    shares = np.array([[0, 0.5, 1, 0.25, 0.75, 1, 0.5, 0, 0.25, 0.75]], dtype=np.float32)
    landmarks = _landmarks(np.array([[10, 20, 20, 40]]), shares)
    expected = [[9.5, 39.5], [14.5, 29.5], [19.5, 19.5], [12.0, 24.5], [17.0, 34.5]]
    np.testing.assert_allclose(landmarks, [expected])


def test_landmarks_of_an_enlarged_photo_lie_at_the_same_places(detector):
    """A pixel's centre x becomes 4 x + 1.5. A shift of one pixel in the convention would appear as 0.75."""
    differences = []
    for seed in range(4):
        for side in (110, 160, 200):
            photo = face(side, seed)
            small = detector.detect([photo])[0].landmarks[0]
            large = MTCNN(min_face=80).detect([photo.repeat(4, axis=0).repeat(4, axis=1)])[0].landmarks[0]
            differences.append((large - 1.5) / 4 - small)
    assert abs(np.mean(differences, axis=(0, 1))).max() < 0.25


@pytest.mark.parametrize("side", [110, 160, 200])
def test_landmarks_of_a_face_at_the_border_stay_on_the_face(detector, side):
    photo = face(side)
    (whole,) = detector.detect([photo])
    left = int(whole.boxes[0, 0] + 0.15 * (whole.boxes[0, 2] - whole.boxes[0, 0]))
    cut = np.ascontiguousarray(photo[:, left:])
    (found,) = detector.detect([cut])
    theirs = released(cut)
    assert_same(found, theirs)
    assert abs(found.landmarks[0] + [left, 0] - whole.landmarks[0]).max() < 7
    assert abs(theirs.landmarks[0] + [left, 0] - whole.landmarks[0]).max() > 15  # what is avoided


def test_the_settings_are_plain_data_that_tell_detectors_apart(detector):
    assert detector.settings["min_face"] == 20
    assert detector.settings["factor"] == 0.85
    assert detector.settings["thresholds"] == [0.6, 0.7, 0.9]
    assert set(detector.settings["weights_sha256"]) == {"pnet", "rnet", "onet"}
    assert MTCNN(min_face=30).settings != detector.settings == MTCNN().settings


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"min_face": 0}, "min_face must be at least 1 pixel, got 0"),
        ({"min_face": float("nan")}, "min_face must be at least 1 pixel, got nan"),
        ({"factor": 0.999999}, "factor must be above 0 and at most 0.99, got 0.999999"),
        ({"factor": 0}, "factor must be above 0 and at most 0.99, got 0"),
        ({"thresholds": (0.6, 0.7)}, r"three numbers between 0 and 1, got \[0.6, 0.7\]"),
        ({"thresholds": (0.6, 0.7, 1.0)}, r"three numbers between 0 and 1, got \[0.6, 0.7, 1.0\]"),
    ],
)
def test_settings_out_of_range_are_refused(settings, message):
    with pytest.raises(PrepError, match=message):
        MTCNN(**settings)


@pytest.mark.slow
@pytest.mark.real_data
def test_the_same_faces_as_facenet_pytorch_in_real_photos_of_every_size(detector, shared_data):
    photos = {path.name: read_photo(path) for path in sorted((shared_data / "photos").iterdir())}
    photos = {name: photo for name, photo in photos.items() if photo.size < 3_000_000}
    assert len(photos) >= 10
    count = 0
    for name, photo in photos.items():
        expected = released(photo)
        found = detector.detect([photo])[0]
        assert len(found) == len(expected), name
        assert_same(found, expected)
        count += len(found)
    assert count > 40


@pytest.mark.real_data
def test_the_same_faces_as_facenet_pytorch_in_lfw(detector, shared_data):
    """bench_mtcnn.py does it for hundreds."""
    for path in sorted((shared_data / "lfw" / "images").glob("*/*_0001.jpg"))[::240]:
        photo = read_photo(path)
        found, expected = detector.detect([photo])[0], released(photo)
        assert len(found) == len(expected), path.name
        np.testing.assert_allclose(found.boxes, expected.boxes, atol=1)


@pytest.mark.real_data
def test_mirroring_a_photo_mirrors_its_landmarks(detector, shared_data):
    """A shift of half a pixel in the convention would show as a mean of 0.5; facenet-pytorch's is 1.1."""
    shifts = []
    for path in sorted((shared_data / "lfw" / "images").glob("*/*_0001.jpg"))[::200]:
        photo = read_photo(path)
        faces, mirrored = detector.detect([photo, np.ascontiguousarray(photo[:, ::-1])])
        points = faces.landmarks[pick(faces, photo.shape)[0]][:, 0]
        turned = photo.shape[1] - 1 - mirrored.landmarks[pick(mirrored, photo.shape)[0]][MIRRORED, 0]
        shifts.append((points - turned) / 2)
    assert len(shifts) > 25
    assert abs(np.mean(shifts)) < 0.3
