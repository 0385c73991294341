"""Several faces in a photo, one face under several people, unsure and turned ones: counted and named."""

from __future__ import annotations

import dataclasses
import json
import math

import numpy as np
import pytest

from data_prep.align import align_folder
from data_prep.doubts import doubt, find_doubts, reasons, record, rivalry, sentences
from data_prep.images import read_photo
from sphereface_plus.data.formats.manifest import ManifestRow, read_manifest


def row(path: str = "Ann/1.png", **changes) -> ManifestRow:
    identity = path.split("/")[0]
    box, landmarks = (0.0, 0.0, 80.0, 80.0), (30.0, 50.0, 64.0, 50.0, 47.0, 70.0, 33.0, 91.0, 62.0, 91.0)
    start = ManifestRow(
        path, identity, path, "detected", "sphereface_112x96", 112, 96, 0.9999, *box, *landmarks, 1
    )
    return dataclasses.replace(start, **changes)


def test_doubt_passes_1_at_either_limit_and_has_none_where_nothing_is_known():
    assert doubt(row(score=0.9901)) < 1 < doubt(row(score=0.9899))
    assert doubt(row(residual=7.9)) < 1 < doubt(row(residual=8.1))
    assert doubt(row(method="centre", score=math.nan)) == math.inf
    assert doubt(row(method="given", score=math.nan)) == 0


def test_rivalry_is_the_other_faces_side_beside_this_ones():
    assert rivalry(row(num_faces=2, runner_up_side=40)) == pytest.approx(0.5)
    assert rivalry(row()) == 0


def test_reasons_say_each_limit_that_is_passed():
    assert reasons(row()) == []
    assert reasons(row(score=0.95, residual=9.5, turned=180)) == [
        "score 0.950, below 0.99",
        "landmarks 9.5 pixels from a face's, more than 8",
        "found in the photo turned by 180 degrees",
    ]


def test_equal_crops_are_shared_only_under_several_people_and_only_if_their_files_are_equal(tmp_path):
    contents = {
        "Ann/1.png": b"a",
        "Ann/2.png": b"a",
        "Bob/1.png": b"a",
        "Kim/1.png": b"other",
        "Lee/1.png": b"b",
    }
    for path, content in contents.items():
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_bytes(content)
    rows = [row(path, score=0.99 if path.startswith("Lee") else 0.999) for path in contents]
    shared = find_doubts(tmp_path, rows).shared
    assert [[one.path for one in group] for group in shared] == [["Ann/1.png", "Ann/2.png", "Bob/1.png"]]


def test_nothing_doubtful_is_nothing_to_say(tmp_path):
    assert sentences(find_doubts(tmp_path, [row(), row("Bob/1.png", score=0.9998)])) == []


def test_each_doubt_is_a_sentence_and_one_is_not_called_many(tmp_path):
    rows = [
        row("Ann/1.png", num_faces=2, runner_up_side=100.0),
        row("Ann/2.png", score=0.95),
        row("Bob/1.png", score=0.9998, turned=90),
    ]
    assert sentences(find_doubts(tmp_path, rows)) == [
        "several faces: in 1 photo; in 1 of them another is at least half as large as the one taken, in 1 "
        "larger: was the right one taken?",
        "turned: 1 crop of photos that lie on their side or upside down; the crops are upright",
        "unsure: 1 crop that may show no face, or not at its place; the contact sheet begins with them",
    ]


@pytest.fixture
def couple(photos, write_photo):
    """The photos, and one of Ann and Bob, which lies under both."""
    pair = np.hstack([read_photo(photos / "Ann_Õun/1.jpg"), read_photo(photos / "Bob/1.jpg")])
    for name in ("Ann_Õun", "Bob"):
        write_photo(photos / name / "both.png", pair)
    return photos


def test_the_same_photo_under_two_people_is_noticed(couple, tmp_path):
    doubts = align_folder(couple, tmp_path / "out", min_face=50, workers=1).doubts
    assert [[one.path for one in group] for group in doubts.shared] == [["Ann_Õun/both.png", "Bob/both.png"]]
    assert doubts.several == 2
    assert [one.path for one in doubts.rivals] == ["Ann_Õun/both.png", "Bob/both.png"]
    assert sentences(doubts)[0] == (
        "one face under several people: 1 face, first Ann_Õun/both.png and Bob/both.png; "
        "at most one of the names is right"
    )
    table = read_manifest(tmp_path / "out/manifest.csv").set_index("path")
    assert table["num_faces"].to_dict() == {path: 1 + path.endswith("both.png") for path in table.index}
    assert table["runner_up_side"].notna().sum() == 2
    assert table["runner_up_side"]["Bob/both.png"] > 30
    assert table["runner_up_score"]["Bob/both.png"] > 0.9
    told = json.loads((tmp_path / "out/report.json").read_text(encoding="utf-8"))["doubts"]
    assert told == record(doubts)
    assert told["one_face_of_several_identities"] == [["Ann_Õun/both.png", "Bob/both.png"]]


def test_all_faces_under_one_name_are_noticed(couple, tmp_path):
    doubts = align_folder(couple, tmp_path / "out", face="all", min_face=50, workers=1).doubts
    both = ["Ann_Õun/both_0.png", "Ann_Õun/both_1.png", "Bob/both_0.png", "Bob/both_1.png"]
    assert [one.path for one in doubts.all_taken] == both
    assert len(doubts.shared) == 2  # Ann's face and Bob's, each under both names
    assert sentences(doubts)[1].startswith(
        "all faces taken: 2 photos gave 4 crops, all named after the photo's"
    )


def test_a_photo_upside_down_gives_an_upright_crop_and_is_named(photos, tmp_path, write_photo):
    write_photo(photos / "Bob/1.png", np.ascontiguousarray(read_photo(photos / "Bob/1.jpg")[::-1, ::-1]))
    (photos / "Bob/1.jpg").rename(photos / "Bob/4.jpg")
    doubts = align_folder(photos, tmp_path / "out", min_face=50, workers=1).doubts
    assert [(one.path, one.turned) for one in doubts.turned] == [("Bob/1.png", 180)]
    crops = [read_photo(tmp_path / "out" / "Bob" / name).astype(int) for name in ("1.png", "4.png")]
    assert np.abs(crops[0] - crops[1]).mean() < 1
