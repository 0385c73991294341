"""The contact sheet shows crops with their landmarks where they are."""

from __future__ import annotations

import math

import numpy as np
import pytest
from PIL import Image

from data_prep.alignment import ALIGNMENT_TEMPLATES
from data_prep.contact_sheet import CONTACT_SHEET, write_contact_sheet
from sphereface_plus.data.manifest import ManifestRow

TEMPLATE = ALIGNMENT_TEMPLATES["sphereface_112x96"]


@pytest.fixture
def sheet(tmp_path, write_photo):
    """Writes a sheet of grey crops with the given methods, identities and landmarks."""

    def sheet(
        methods: list[str], identity: str = "Ann", landmarks: np.ndarray = TEMPLATE.points
    ) -> np.ndarray:
        rows = []
        for index, method in enumerate(methods):
            write_photo(tmp_path / f"{index:03d}.png", np.full((112, 96, 3), 128, np.uint8))
            score = math.nan if method in ("given", "centre") else 0.98765
            place = (score, *[math.nan] * 4, *landmarks.ravel().tolist())
            rows.append(
                ManifestRow(f"{index:03d}.png", identity, "x", method, TEMPLATE.name, 112, 96, *place)
            )
        write_contact_sheet(tmp_path, rows, "inverse")
        with Image.open(tmp_path / CONTACT_SHEET) as image:
            return np.asarray(image).astype(int)

    return sheet


def test_a_sheet_is_as_large_as_its_crops_and_never_more_than_48(sheet):
    assert sheet(["detected"]).shape[:2] == (34 + 224 + 34 + 8, 8 + 192 + 8)
    assert sheet(["detected"] * 9).shape[:2] == (34 + 2 * (224 + 34 + 8), 8 + 8 * (192 + 8))
    assert sheet(["given"] * 100).shape[:2] == (34 + 6 * (224 + 34 + 8), 8 + 8 * (192 + 8))


def test_green_dots_are_drawn_where_the_landmarks_come_to_lie(sheet):
    crop = sheet(["detected"], landmarks=TEMPLATE.points * 2 + 30)[34 : 34 + 224, 8 : 8 + 192]
    for x, y in TEMPLATE.points:
        red, green, blue = crop[round(2 * y + 0.5), round(2 * x + 0.5)]
        assert green > red + 60
        assert green > blue + 40


def test_red_crosses_stay_on_the_template_when_the_landmarks_are_off(sheet):
    nose = np.zeros((5, 2))
    nose[2] = (0, 30)
    crop = sheet(["detected"], landmarks=TEMPLATE.points + nose)[34 : 34 + 224, 8 : 8 + 192]
    x, y = TEMPLATE.points[2]
    red, green, _ = crop[round(2 * y + 0.5), round(2 * x + 0.5)]
    assert red > green + 40


def test_faces_that_were_not_simply_detected_come_first_and_in_orange(sheet):
    caption = slice(34 + 224 + 16, 34 + 224 + 34)

    def orange(picture: np.ndarray, column: int) -> bool:
        part = picture[caption, 8 + column * 200 : 8 + column * 200 + 190]
        return bool((part[..., 0] - part[..., 2] > 60).any())

    picture = sheet(["detected"] * 60 + ["centre", "relaxed"])
    assert [orange(picture, column) for column in range(4)] == [True, True, False, False]


@pytest.mark.parametrize(("one", "other"), [("Ä", "Ö"), ("Ж", "Я"), ("Λ", "Ω")])
def test_letters_beyond_ascii_are_drawn_and_not_a_box_for_each(sheet, one, other):
    assert (sheet(["detected"], identity=one) != sheet(["detected"], identity=other)).any()


@pytest.mark.parametrize("identity", ["山田 太郎", "x" * 200, "new\nline", "", "emoji🙂"])
def test_any_identity_can_be_captioned(sheet, identity):
    assert sheet(["detected"], identity=identity).shape[1] == 8 + 192 + 8
