"""A face upside down or on its side is found, at its place; an upright photo stays as it is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from data_prep.alignment import ALIGNMENT_TEMPLATES, align
from data_prep.detection import Faces
from data_prep.mtcnn import MTCNN
from data_prep.turning import find_faces, turned_back

TEMPLATE = ALIGNMENT_TEMPLATES["sphereface_112x96"]


class Scripted:
    """A detector that finds one face, of the given score for each look, or none where it is 0."""

    settings: dict[str, Any] = {}  # noqa: RUF012

    def __init__(self, *scores: float) -> None:
        self.scores, self.shapes = list(scores), []

    def detect(self, photos: Sequence[np.ndarray]) -> list[Faces]:
        (photo,) = photos
        self.shapes.append(photo.shape[:2])
        score = self.scores[len(self.shapes) - 1]
        count = int(score > 0)
        box = np.array([[10.0, 5.0, 30.0, 45.0]])[:count]
        return [Faces(box, np.full(count, score), np.arange(10.0).reshape(1, 5, 2)[:count])]


@pytest.fixture(scope="module")
def detector() -> MTCNN:
    return MTCNN(min_face=50)


@pytest.mark.parametrize("quarters", [1, 2, 3])
def test_a_turned_photo_gives_the_upright_photos_crop(detector, drawn_photo, quarters):
    upright = np.ascontiguousarray(drawn_photo[:, :172])
    photo = np.ascontiguousarray(np.rot90(upright, -quarters))
    faces, degrees = find_faces(detector, upright)
    found, turned = find_faces(detector, photo)
    assert (degrees, turned) == (0, 90 * quarters)
    assert found.scores[0] == faces.scores[0]
    expected = align(upright, faces.landmarks[0], TEMPLATE).astype(int)
    assert np.abs(align(photo, found.landmarks[0], TEMPLATE) - expected).mean() < 0.1


@pytest.mark.parametrize("quarters", [0, 1, 2, 3])
def test_points_come_back_to_the_pixel_that_they_showed(quarters):
    photo = np.random.default_rng(1).integers(0, 256, (40, 60, 3), np.uint8)
    turned = np.rot90(photo, quarters)
    points = np.random.default_rng(2).integers(0, 40, (1, 5, 2)).astype(float)
    box = np.array([[3.0, 7.0, 20.0, 31.0]])
    back = turned_back(Faces(box, np.ones(1), points), photo.shape, quarters)
    for (x, y), (photo_x, photo_y) in zip(points[0].astype(int), back.landmarks[0].astype(int), strict=True):
        np.testing.assert_array_equal(photo[photo_y, photo_x], turned[y, x])
    left, top, right, bottom = back.boxes[0]
    assert left < right
    assert top < bottom
    assert {right - left, bottom - top} == {17.0, 24.0}


def test_a_sure_face_costs_one_look():
    detector = Scripted(0.9981)
    faces, degrees = find_faces(detector, np.zeros((50, 70, 3), np.uint8))
    assert (len(faces), degrees, detector.shapes) == (1, 0, [(50, 70)])


def test_an_unsure_face_is_looked_at_in_every_turn_and_the_surest_is_taken():
    detector = Scripted(0.95, 0.99, 0.9999, 0.999)
    _, degrees = find_faces(detector, np.zeros((50, 70, 3), np.uint8))
    assert degrees == 180
    assert detector.shapes == [(50, 70), (70, 50), (50, 70), (70, 50)]


@pytest.mark.parametrize(
    "scores",
    [
        (0.9888, 0, 0, 0.9831),
        (0.985, 0, 0, 0.9969),
        (0.9967, 0, 0.9991, 0),
        (0, 0.989, 0.989, 0.989),
        (0.9, 0, 0, 0.97),
    ],
)
def test_a_photo_stays_upright_unless_a_turned_face_is_sure_and_much_surer(scores):
    faces, degrees = find_faces(Scripted(*scores), np.zeros((50, 70, 3), np.uint8))
    assert degrees == 0
    assert faces.scores.tolist() == ([scores[0]] if scores[0] else [])


@pytest.mark.parametrize(("scores", "degrees"), [((0.95, 0, 0.996, 0), 180), ((0, 0.991, 0, 0), 90)])
def test_a_face_that_only_a_turn_shows_well_is_taken(scores, degrees):
    assert find_faces(Scripted(*scores), np.zeros((50, 70, 3), np.uint8))[1] == degrees
