"""The contact sheet is a page that holds its pictures, the least sure crops first, landmarks in place."""

from __future__ import annotations

import dataclasses
import math
import re
from html.parser import HTMLParser

import numpy as np
import pytest

from data_prep.alignment import ALIGNMENT_TEMPLATES
from data_prep.contact_sheet import CONTACT_SHEET, write_contact_sheet
from data_prep.doubts import find_doubts
from sphereface_plus.data.formats.manifest import ManifestRow

TEMPLATE = ALIGNMENT_TEMPLATES["sphereface_112x96"]


def row(path: str, identity: str = "Ann", landmarks: np.ndarray = TEMPLATE.points, **changes) -> ManifestRow:
    place = (0.9999, 0.0, 0.0, 80.0, 80.0, *landmarks.ravel().tolist())
    start = ManifestRow(path, identity, "x", "detected", TEMPLATE.name, 112, 96, *place, num_faces=1)
    return dataclasses.replace(start, source=path, **changes)


@pytest.fixture
def sheet(tmp_path, write_photo):
    """Writes a sheet of grey crops and gives its text."""

    def sheet(*rows: ManifestRow) -> str:
        for index, one in enumerate(rows):
            write_photo(tmp_path / one.path, np.full((112, 96, 3), index % 256, np.uint8))
        write_contact_sheet(tmp_path, rows, find_doubts(tmp_path, rows), "inverse")
        return (tmp_path / CONTACT_SHEET).read_text(encoding="utf-8")

    return sheet


def shown(page: str) -> list[str]:
    return re.findall(r'aria-label="(.*?)"', page)


def test_the_least_sure_come_first_and_the_others_are_spread_over_the_manifest(sheet):
    rows = [row(f"{number:03d}.png") for number in range(200)]
    rows[150] = dataclasses.replace(rows[150], score=0.91)
    rows[99] = dataclasses.replace(rows[99], method="centre", score=math.nan)
    rows[7] = dataclasses.replace(rows[7], residual=9.0)
    names = shown(sheet(*rows))
    assert names[:3] == ["099.png", "150.png", "007.png"]
    assert len(names) == 12 + 24
    assert {name[0] for name in names[12:]} == {"0", "1"}


def test_a_page_grows_no_further_than_its_sections(sheet):
    assert len(shown(sheet(*[row(f"{number:03d}.png", score=0.9) for number in range(300)]))) == 48 + 24


def test_what_is_doubtful_about_a_crop_stands_under_it(sheet):
    page = sheet(
        row("a.png", score=0.95, residual=3.21), row("b.png", num_faces=3, runner_up_side=60.0, turned=90)
    )
    assert "score 0.9500, off by 3.2" in page
    assert "score 0.950, below 0.99" in page
    assert "3 faces, the next 75% as large" in page
    assert "found in the photo turned by 90 degrees" in page
    assert "Another face is at least half as large: 1" in page
    assert "Turned: 1" in page


def test_landmarks_are_drawn_where_they_come_to_lie_and_crosses_on_the_template(sheet):
    page = sheet(row("a.png", landmarks=TEMPLATE.points * 2 + 30))
    dots = [[float(x) for x in dot] for dot in re.findall(r'cx="(.*?)" cy="(.*?)"', page)]
    np.testing.assert_allclose(dots, TEMPLATE.points, atol=0.01)
    nose = np.zeros((5, 2))
    nose[2] = (0, 30)
    page = sheet(row("a.png", landmarks=TEMPLATE.points + nose))
    assert "M44.53 70.74h5M47.03 68.24v5" in page  # the template's nose
    dots = [[float(x) for x in dot] for dot in re.findall(r'cx="(.*?)" cy="(.*?)"', page)]
    assert dots[2][1] > TEMPLATE.points[2][1] + 10


class Tags(HTMLParser):
    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags, self.text = [], ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.mark.parametrize(
    "identity", ["山田 太郎", "x" * 200, "عمر", "emoji🙂", "<script>alert(1)</script>", 'a"b&c']
)
def test_names_of_any_script_and_of_any_malice_are_text(sheet, identity):
    page = Tags(sheet(row("a.png", identity=identity)))
    assert identity in page.text
    assert {tag for tag, _ in page.tags}.isdisjoint({"script", "a", "iframe"})


def test_the_page_loads_nothing_and_follows_the_readers_light_or_dark(sheet):
    page = sheet(row("a.png"))
    links = [
        value for _, attrs in Tags(page).tags for name, value in attrs.items() if name in ("href", "src")
    ]
    assert links
    assert all(str(link).startswith("data:") for link in links)
    assert "default-src 'none'" in page
    assert "prefers-color-scheme: dark" in page


def test_a_crop_that_cannot_be_read_is_shown_without_its_picture(sheet, tmp_path):
    rows = [row("a.png"), row("b.png")]
    sheet(*rows)
    (tmp_path / "a.png").write_bytes(b"")
    write_contact_sheet(tmp_path, rows, find_doubts(tmp_path, rows), "inverse")
    page = (tmp_path / CONTACT_SHEET).read_text(encoding="utf-8")
    assert sorted(shown(page)) == ["a.png", "b.png"]
    assert page.count("data:image/jpeg") == 1
