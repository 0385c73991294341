"""Photos and settings that align refuses, or counts with the reason."""

from __future__ import annotations

import os
import shutil
import sys

import cv2
import numpy as np
import pytest

from data_prep.align import align_folder
from data_prep.alignment import ALIGNMENT_TEMPLATES
from data_prep.errors import PrepError
from data_prep.images import read_photo
from sphereface_plus.data.formats.manifest import read_manifest
from tests.data_prep.aligning import FAST, report


def test_bad_photos_are_counted_with_their_reason_and_the_run_goes_on(photos, tmp_path, write_photo):
    whole = (photos / "Bob/1.jpg").read_bytes()
    (photos / "Bob/cut.jpg").write_bytes(whole[: len(whole) // 3])
    (photos / "Bob/empty.jpg").touch()
    (photos / "Bob/text.jpg").write_text("I am no photo")
    (photos / "Bob/notes.txt").write_text("neither am I")
    write_photo(photos / "Kim/grey.png", np.full((200, 200, 3), 128, np.uint8))
    write_photo(photos / "Kim/tiny.png", np.full((3, 2, 3), 128, np.uint8))
    summary = align_folder(photos, tmp_path / "out", **FAST)
    assert summary.num_crops == 9
    assert summary.problems == {"unreadable": 3, "no face found": 2}
    assert summary.ignored == {".txt file": 1}
    told = report(tmp_path / "out")
    assert told["problems"] == summary.problems
    assert told["ignored"] == summary.ignored
    assert {photo["source"]: photo["problem"] for photo in told["without_crop"]} == {
        "Bob/cut.jpg": "unreadable",
        "Bob/empty.jpg": "unreadable",
        "Bob/text.jpg": "unreadable",
        "Kim/grey.png": "no face found",
        "Kim/tiny.png": "no face found",
    }
    details = {photo["source"]: photo["detail"] for photo in told["without_crop"]}
    assert details["Bob/empty.jpg"] == "is an empty file"
    assert "not an image" in details["Bob/text.jpg"]
    assert told["identities"]["Kim"] == {"photos": 2, "crops": 0}
    assert told["identities"]["Bob"] == {"photos": 6, "crops": 3}


def test_two_photos_of_one_name_do_not_stop_the_others(photos, tmp_path, whole_run):
    pixels = read_photo(photos / "Bob/2.jpg")
    cv2.imwrite(str(photos / "Bob/1.png"), pixels[:, :, ::-1])
    out = tmp_path / "out"
    summary = align_folder(photos, out, **FAST)
    assert (summary.num_photos, summary.num_crops) == (10, 9)
    assert summary.problems == {"called like another photo": 1}
    (told,) = report(out)["without_crop"]
    assert told["source"] == "Bob/1.png"
    assert told["detail"] == "Bob/1.jpg has a crop of this name; rename one of them"
    assert (out / "Bob/1.png").read_bytes() == whole_run["Bob/1.png"]
    assert align_folder(photos, out, **FAST).num_before == 10  # nothing left to do
    (photos / "Bob/1.jpg").unlink()
    assert align_folder(photos, out, **FAST).problems == {}
    assert (out / "Bob/1.png").read_bytes() != whole_run["Bob/1.png"]


def test_people_without_a_crop_are_named_with_the_reason(photos, tmp_path, write_photo):
    (photos / "Nobody").mkdir()
    write_photo(photos / "Masked/1.png", np.zeros((80, 80, 3), np.uint8))
    (photos / "Masked/2.jpg").write_bytes(b"")
    summary = align_folder(photos, tmp_path / "out", **FAST)
    assert summary.num_identities == 3
    assert summary.lost == {
        "Masked": "no face found in 1 of 2, unreadable in 1 of 2",
        "Nobody": "its folder is empty",
    }
    assert report(tmp_path / "out")["lost_identities"] == summary.lost


def test_where_nothing_is_found_the_run_fails_after_its_report(tmp_path, write_photo):
    write_photo(tmp_path / "photos/Kim/1.png", np.zeros((100, 100, 3), np.uint8))
    with pytest.raises(
        PrepError, match=r"none of the 1 photo got a crop \(no face found: 1\); see .*report\.json"
    ):
        align_folder(tmp_path / "photos", tmp_path / "out", **FAST)
    assert report(tmp_path / "out")["num_crops"] == 0
    assert len(read_manifest(tmp_path / "out/manifest.csv")) == 0


@pytest.mark.parametrize("name", sorted(ALIGNMENT_TEMPLATES))
def test_aligned_photos_are_recognised_without_their_manifest_and_refused(photos, tmp_path, name):
    align_folder(photos, tmp_path / "crops", template=name, **FAST)
    with pytest.raises(
        PrepError, match=r"crops: is aligned already: the folder holds a manifest\.csv of aligned crops"
    ):
        align_folder(tmp_path / "crops", tmp_path / "again", **FAST)
    for file in ("manifest.csv", "report.json", "contact_sheet.html", "progress.jsonl"):
        (tmp_path / "crops" / file).unlink()
    told = name.removesuffix("_clcarwin")  # one pixel apart, which is within the detector's error
    with pytest.raises(
        PrepError, match=rf"is aligned already: in \d of 9 photos the landmarks lie on {told} already"
    ):
        align_folder(tmp_path / "crops", tmp_path / "again", **FAST)
    assert not (tmp_path / "again").exists()
    assert align_folder(tmp_path / "crops", tmp_path / "again", realign=True, **FAST).num_crops > 0


def test_photos_that_only_have_a_templates_size_are_not_taken_for_aligned(photos, tmp_path, write_photo):
    for path in photos.glob("*/*.jpg"):
        small = cv2.resize(read_photo(path), (112, 112), interpolation=cv2.INTER_AREA)
        write_photo(tmp_path / "small" / path.relative_to(photos), small)
    assert align_folder(tmp_path / "small", tmp_path / "out", min_face=20, workers=1).num_crops > 4


def test_aligned_photos_are_recognised_by_given_landmarks_too(photos, tmp_path):
    align_folder(photos, tmp_path / "crops", **FAST)
    (tmp_path / "crops/manifest.csv").unlink()
    points = "\t".join(str(value) for value in ALIGNMENT_TEMPLATES["sphereface_112x96"].points.ravel())
    crops = sorted((tmp_path / "crops").glob("*/*.png"))
    text = "".join(f"{crop.parent.name}/{crop.name}\t{points}\n" for crop in crops)
    (tmp_path / "landmarks.txt").write_text(text, encoding="utf-8")
    with pytest.raises(PrepError, match="in 9 of 9 photos the landmarks lie on sphereface_112x96 already"):
        align_folder(tmp_path / "crops", tmp_path / "again", landmarks=tmp_path / "landmarks.txt", **FAST)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"template": "dlib"}, "template must be one of sphereface_112x96, .*, arcface_112x112, got 'dlib'"),
        ({"fit": "affine"}, "fit must be one of inverse, forward, got 'affine'"),
        ({"face": "first"}, "face must be one of centre, largest, confident, all, got 'first'"),
        ({"fallback": "guess"}, "fallback must be one of none, relaxed, centre, got 'guess'"),
        ({"format": "gif"}, "format must be one of png, jpg, got 'gif'"),
        ({"quality": 0}, "quality must be 1 to 100, got 0"),
        ({"factor": 1.5}, "factor must be above 0 and at most 0.99, got 1.5"),
    ],
)
def test_impossible_settings_are_refused_by_name(photos, tmp_path, options, message):
    with pytest.raises(PrepError, match=message):
        align_folder(photos, tmp_path / "out", **{**FAST, **options})
    assert not (tmp_path / "out").exists()


def test_crops_inside_of_the_photos_are_refused(photos):
    for out in (photos, photos / "crops", photos / "x/../crops"):
        with pytest.raises(PrepError, match="the crops must not lie in the folder of photos"):
            align_folder(photos, out, **FAST)


@pytest.mark.skipif(
    os.name != "posix" or sys.platform == "darwin", reason="needs file names that are plain bytes"
)
def test_names_with_any_letters_are_kept(photos, tmp_path):
    for name in ("山田/太郎 1.jpg", 'Q"uote, comma/x.jpg', "new\nline/1.jpg", "emoji🙂/1.2.jpg"):
        (photos / name).parent.mkdir()
        shutil.copy(photos / "Bob/1.jpg", photos / name)
    align_folder(photos, tmp_path / "out", **FAST)
    table = read_manifest(tmp_path / "out/manifest.csv")
    assert {"山田/太郎 1.png", 'Q"uote, comma/x.png', "new\nline/1.png", "emoji🙂/1.2.png"} <= set(
        table["path"]
    )
    assert all((tmp_path / "out" / path).exists() for path in table["path"])


@pytest.mark.skipif(sys.platform != "linux", reason="needs file names that are plain bytes")
def test_names_that_are_not_utf_8_are_counted_and_the_others_aligned(photos, tmp_path):
    for name in (b"Bob/\xff.jpg", b"\xfeKim/1.jpg", b"Bob/notes.\xff"):
        path = photos / os.fsdecode(name)
        path.parent.mkdir(exist_ok=True)
        shutil.copy(photos / "Bob/1.jpg", path)
    summary = align_folder(photos, tmp_path / "out", **FAST)
    assert (summary.num_crops, summary.problems) == (9, {"file name is not UTF-8": 2})
    told = {
        os.fsencode(photo["source"]): photo["detail"] for photo in report(tmp_path / "out")["without_crop"]
    }
    assert told == dict.fromkeys((b"Bob/\xff.jpg", b"\xfeKim/1.jpg"), "rename it, or the folder it is in")
    again = align_folder(photos, tmp_path / "out", **FAST)
    assert again.num_before == 11
    (photos / os.fsdecode(b"Bob/\xff.jpg")).rename(photos / "Bob/renamed.jpg")
    assert align_folder(photos, tmp_path / "out", **FAST).num_crops == 10
