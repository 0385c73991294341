"""Photos become crops: the same ones for any workers and interruptions, and nothing is lost."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from data_prep import plugins
from data_prep.align import align_folder
from data_prep.alignment import ALIGNMENT_TEMPLATES, align, is_aligned
from data_prep.cropping import centre_landmarks
from data_prep.errors import PrepError
from data_prep.images import read_photo
from data_prep.mtcnn import MTCNN
from sphereface_plus.data.formats.manifest import LANDMARK_COLUMNS, read_manifest
from sphereface_plus.files import unfinished_name

FAST: dict[str, Any] = {"min_face": 50, "workers": 1}  # the drawn faces are some 90 pixels high


def tree(folder: Path) -> dict[str, bytes]:
    """Every file with its bytes, but the report without what is said about the run itself."""
    files = {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    files["report.json"] = json.dumps({**report(folder), "this_run": None}).encode()
    return files


def report(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "report.json").read_text(encoding="utf-8"))


def test_crops_manifest_report_and_sheet_come_out_of_photos(photos, tmp_path):
    out = tmp_path / "out"
    summary = align_folder(photos, out, **FAST)
    assert (summary.num_photos, summary.num_crops, summary.num_identities) == (9, 9, 3)
    assert summary.methods == {"detected": 9}
    assert sorted(path.name for path in out.iterdir() if path.is_file()) == [
        "contact_sheet.html",
        "manifest.csv",
        "progress.jsonl",
        "report.json",
    ]
    table = read_manifest(out / "manifest.csv")
    assert table["path"].tolist() == sorted(str(p.relative_to(out)) for p in out.glob("*/*.png"))
    assert table["source"].tolist() == sorted(str(p.relative_to(photos)) for p in photos.glob("*/*.jpg"))
    assert table["identity"].unique().tolist() == ["Ann_Õun", "Bob", "Zoë"]
    assert set(table["template"]) == {"sphereface_112x96"}
    assert table["score"].between(0.9, 1).all()
    assert all(read_photo(out / path).shape == (112, 96, 3) for path in table["path"])


def test_a_crop_can_be_made_again_from_its_manifest_row(photos, tmp_path):
    align_folder(photos, tmp_path / "out", template="arcface_112x112", fit="forward", **FAST)
    for _, row in read_manifest(tmp_path / "out/manifest.csv").iterrows():
        landmarks = row[list(LANDMARK_COLUMNS)].to_numpy(float).reshape(5, 2)
        template = ALIGNMENT_TEMPLATES["arcface_112x112"]
        expected = align(read_photo(photos / row["source"]), landmarks, template, "forward")
        np.testing.assert_array_equal(read_photo(tmp_path / "out" / row["path"]), expected)


def test_the_crops_landmarks_lie_on_the_template(photos, tmp_path):
    align_folder(photos, tmp_path / "out", **FAST)
    detector = MTCNN(min_face=40)
    template = ALIGNMENT_TEMPLATES["sphereface_112x96"]
    for path in (tmp_path / "out").glob("*/*.png"):
        (faces,) = detector.detect([read_photo(path)])
        assert is_aligned(faces.landmarks[0], template, 7.0)


def test_one_and_two_workers_write_the_same_bytes(photos, tmp_path):
    align_folder(photos, tmp_path / "one", **FAST)
    align_folder(photos, tmp_path / "two", **{**FAST, "workers": 2})
    assert tree(tmp_path / "one") == tree(tmp_path / "two")
    assert report(tmp_path / "two")["this_run"]["workers"] == 2


@pytest.mark.parametrize("stop_after", [0, 1, 5, 9])
def test_an_interrupted_run_continues_to_the_same_bytes(photos, tmp_path, stop_after, whole_run):
    out = tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        align_folder(photos, out, progress=stop_at(stop_after), **FAST)
    assert not (out / "manifest.csv").exists()
    summary = align_folder(photos, out, **FAST)
    assert summary.num_before == stop_after
    assert tree(out) == whole_run


def stop_at(count: int):
    def progress(done: int, total: int, failed: int) -> None:
        if done == count:
            raise KeyboardInterrupt

    return progress


@pytest.fixture
def whole_run(photos, tmp_path) -> dict[str, bytes]:
    """The files of a run that nothing interrupted."""
    align_folder(photos, tmp_path / "whole", **FAST)
    return tree(tmp_path / "whole")


def test_a_second_run_does_nothing_and_changes_nothing(photos, tmp_path, whole_run):
    seen = []
    summary = align_folder(photos, tmp_path / "whole", progress=lambda *state: seen.append(state), **FAST)
    assert (summary.num_before, seen) == (9, [(9, 9, 0)])
    assert tree(tmp_path / "whole") == whole_run


def test_changed_new_and_removed_photos_are_noticed(photos, tmp_path):
    out = tmp_path / "out"
    align_folder(photos, out, **FAST)
    shutil.copy(photos / "Bob/1.jpg", photos / "Zoë/1.jpg")  # changed
    shutil.copy(photos / "Bob/2.jpg", photos / "Bob/4.jpg")  # new
    (photos / "Bob/3.jpg").unlink()
    (out / "Bob/1.png").unlink()  # a lost crop
    (out / "Bob/2.png").write_bytes(b"")  # one cut short by a full disk
    summary = align_folder(photos, out, **FAST)
    assert summary.num_before == 9 - 4
    assert not (out / "Bob/3.png").exists()
    align_folder(photos, tmp_path / "fresh", **FAST)
    assert tree(out) == tree(tmp_path / "fresh")


@pytest.mark.parametrize("journal", ["ours", "of an older version"])
def test_a_crop_whose_bytes_were_lost_is_made_again(photos, tmp_path, whole_run, journal):
    out = tmp_path / "out"
    align_folder(photos, out, **FAST)
    if journal != "ours":
        lines = (out / "progress.jsonl").read_text()
        (out / "progress.jsonl").write_text(re.sub(r', "crc32": \d+', "", lines))
    crop = out / "Bob/2.png"
    crop.write_bytes(bytes(crop.stat().st_size))
    assert align_folder(photos, out, **FAST).num_before == 8
    assert crop.read_bytes() == whole_run["Bob/2.png"]
    if journal == "ours":
        assert tree(out) == whole_run
    assert align_folder(photos, out, **FAST).num_before == 9


def test_a_crop_in_another_crops_place_is_noticed(photos, tmp_path, whole_run):
    out = tmp_path / "out"
    align_folder(photos, out, **FAST)
    other = (out / "Bob/1.png").read_bytes()
    length = (out / "Bob/2.png").stat().st_size
    (out / "Bob/2.png").write_bytes(other.ljust(length, b"\0")[:length])
    assert align_folder(photos, out, **FAST).num_before == 8
    assert tree(out) == whole_run


def test_only_a_finished_folder_has_a_manifest(photos, tmp_path):
    align_folder(photos, tmp_path / "out", **FAST)
    (photos / "Bob/3.jpg").unlink()
    with pytest.raises(KeyboardInterrupt):
        align_folder(photos, tmp_path / "out", progress=stop_at(8), **FAST)
    assert not (tmp_path / "out/manifest.csv").exists()
    align_folder(photos, tmp_path / "out", **FAST)
    assert len(read_manifest(tmp_path / "out/manifest.csv")) == 8


def test_other_settings_in_the_same_folder_are_refused(photos, tmp_path):
    align_folder(photos, tmp_path / "out", **FAST)
    with pytest.raises(
        PrepError, match=r"out: was begun with other settings \(template sphereface_112x96 there, arcface"
    ):
        align_folder(photos, tmp_path / "out", template="arcface_112x112", **FAST)
    with pytest.raises(
        PrepError, match=r"was begun with other settings \(min_images 1 there, 2 here\); give the same"
    ):
        align_folder(photos, tmp_path / "out", min_images=2, **FAST)
    shutil.copytree(photos, tmp_path / "others")
    with pytest.raises(
        PrepError, match=r"was begun with other settings \(photos \S*/photos there, \S*/others here\)"
    ):
        align_folder(tmp_path / "others", tmp_path / "out", **FAST)


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
    assert "no image" in details["Bob/text.jpg"]
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


def test_each_crop_says_what_warped_it_and_a_folder_of_several_is_noticed(photos, tmp_path, monkeypatch):
    out = tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        align_folder(photos, out, progress=stop_at(4), **FAST)
    monkeypatch.setattr(cv2, "__version__", "9.9.9")
    summary = align_folder(photos, out, **FAST)
    (note,) = summary.notes
    assert "(5 by opencv 9.9.9, 4 by opencv " in note
    assert "--warp exact" in note
    assert sorted(report(out)["warps"].values()) == [4, 5]
    assert read_manifest(out / "manifest.csv")["warp"].tolist().count("opencv 9.9.9") == 5


def test_the_exact_warp_names_no_version_and_is_another_setting(photos, tmp_path):
    summary = align_folder(photos, tmp_path / "out", warp="exact", **FAST)
    assert summary.notes == []
    assert set(read_manifest(tmp_path / "out/manifest.csv")["warp"]) == {"exact"}
    with pytest.raises(PrepError, match=r"other settings \(warp exact there, opencv here\)"):
        align_folder(photos, tmp_path / "out", **FAST)


def test_crops_of_photos_that_were_not_looked_at_turned_are_not_mixed_with_others(photos, tmp_path):
    align_folder(photos, tmp_path / "out", **FAST)
    journal = tmp_path / "out/progress.jsonl"
    first, *lines = journal.read_text().splitlines(keepends=True)
    settings = json.loads(first)["settings"]
    assert settings.pop("turning") == {"sure": 0.998, "least": 0.99, "doubt_left": 0.1}
    journal.write_text(json.dumps({"settings": settings}) + "\n" + "".join(lines))
    with pytest.raises(PrepError, match=r"other settings \(turning none there, in use here\)"):
        align_folder(photos, tmp_path / "out", **FAST)


def test_a_folder_begun_before_there_was_a_choice_of_warps_goes_on(photos, tmp_path):
    out = tmp_path / "out"
    align_folder(photos, out, **FAST)
    text = (out / "progress.jsonl").read_text()
    (out / "progress.jsonl").write_text(text.replace('"warp": "opencv", ', "", 1))
    assert align_folder(photos, out, **FAST).num_before == 9
    with pytest.raises(PrepError, match=r"other settings \(warp opencv there, exact here\)"):
        align_folder(photos, out, warp="exact", **FAST)


def test_photos_that_need_a_package_are_looked_at_again_when_it_is_there(photos, tmp_path, monkeypatch):
    (photos / "Bob/4.heic").write_bytes(b"\0\0\0\x18ftypheic" + bytes(100))
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    summary = align_folder(photos, tmp_path / "out", **FAST)
    assert summary.problems == {"needs pillow-heif": 1}
    assert summary.notes == ["1 photo is HEIC: pip install pillow-heif, then the same command again"]
    monkeypatch.setattr(plugins, "find_spec", lambda name: None)
    assert align_folder(photos, tmp_path / "out", **FAST).num_before == 10
    monkeypatch.setattr(plugins, "find_spec", lambda name: name == "pillow_heif" or None)
    assert align_folder(photos, tmp_path / "out", **FAST).num_before == 9


def test_the_report_names_settings_and_versions(photos, tmp_path):
    align_folder(photos, tmp_path / "out", **FAST)
    told = report(tmp_path / "out")
    assert told["settings"]["template"] == "sphereface_112x96"
    assert told["settings"]["fit"] == "inverse"
    assert told["settings"]["detector"]["thresholds"] == [0.6, 0.7, 0.9]
    assert {"python", "torch", "numpy", "opencv", "pillow", "facenet-pytorch"} == set(told["versions"])
    assert told["this_run"]["num_photos"] == 9
    assert told["this_run"]["photos_per_second"] > 0


def test_where_nothing_is_found_the_run_fails_after_its_report(tmp_path, write_photo):
    write_photo(tmp_path / "photos/Kim/1.png", np.zeros((100, 100, 3), np.uint8))
    with pytest.raises(
        PrepError, match=r"none of the 1 photo got a crop \(no face found: 1\); see .*report\.json"
    ):
        align_folder(tmp_path / "photos", tmp_path / "out", **FAST)
    assert report(tmp_path / "out")["num_crops"] == 0
    assert len(read_manifest(tmp_path / "out/manifest.csv")) == 0


def test_no_fallback_is_the_default_and_each_fallback_is_counted(photos, tmp_path, write_photo):
    write_photo(photos / "Kim/grey.png", np.full((200, 300, 3), 128, np.uint8))
    assert align_folder(photos, tmp_path / "none", **FAST).problems == {"no face found": 1}
    relaxed = align_folder(photos, tmp_path / "relaxed", fallback="relaxed", **FAST)
    assert relaxed.problems == {"no face found": 1}
    centre = align_folder(photos, tmp_path / "centre", fallback="centre", **FAST)
    assert centre.problems == {}
    assert centre.methods == {"detected": 9, "centre": 1}
    table = read_manifest(tmp_path / "centre/manifest.csv").set_index("source")
    row = table.loc["Kim/grey.png"]
    assert row["method"] == "centre"
    assert np.isnan(row["score"])
    np.testing.assert_allclose(
        row[list(LANDMARK_COLUMNS)].to_numpy(float), centre_landmarks(200, 300).ravel(), atol=1e-3
    )
    assert report(tmp_path / "centre")["settings"]["relaxed_threshold"] == 0.5


def test_a_face_that_only_the_lower_threshold_finds_is_called_relaxed(photos, tmp_path):
    settings = {**FAST, "thresholds": (0.6, 0.7, 0.9999)}  # few drawn faces are as sure as that
    strict = align_folder(photos, tmp_path / "none", **settings)
    relaxed = align_folder(photos, tmp_path / "relaxed", fallback="relaxed", **settings)
    assert 0 < strict.num_crops < 9
    assert relaxed.methods == {"detected": strict.num_crops, "relaxed": 9 - strict.num_crops}


def test_the_usual_place_is_lfws_mean_and_scales_with_the_photo():
    lfw = [(105, 112), (145, 112), (125, 136), (108, 157), (144, 157)]
    np.testing.assert_allclose(centre_landmarks(250, 250), lfw)
    np.testing.assert_allclose(centre_landmarks(250, 350), np.add(lfw, (50, 0)))
    np.testing.assert_allclose(np.ptp(centre_landmarks(500, 900), axis=0), 2 * np.ptp(lfw, axis=0))


def test_given_landmarks_replace_detection_and_photos_without_are_reported(photos, tmp_path):
    align_folder(photos, tmp_path / "detected", **FAST)
    table = read_manifest(tmp_path / "detected/manifest.csv")
    lines = [
        "\t".join([row["source"], *(str(row[name]) for name in LANDMARK_COLUMNS)])
        for _, row in table.iterrows()
        if row["source"] != "Bob/2.jpg"
    ]
    (tmp_path / "landmarks.txt").write_text("\n".join([*lines, "Eve/1.jpg" + "\t1" * 10]), encoding="utf-8")
    summary = align_folder(photos, tmp_path / "given", landmarks=tmp_path / "landmarks.txt", **FAST)
    assert summary.methods == {"given": 8}
    assert summary.problems == {"no landmarks given": 1}
    assert report(tmp_path / "given")["unused_landmarks"] == 1
    for crop in (tmp_path / "given").glob("*/*.png"):
        same = tmp_path / "detected" / crop.relative_to(tmp_path / "given")
        assert crop.read_bytes() == same.read_bytes()
    assert read_manifest(tmp_path / "given/manifest.csv")["score"].isna().all()


def test_given_landmarks_that_are_no_face_are_reported(photos, tmp_path):
    (tmp_path / "landmarks.txt").write_text(
        "Bob/1.jpg" + "\t7" * 10 + "\nBob/2.jpg\t60 90 130 90 95 120 70 150 120 150"
    )
    summary = align_folder(photos, tmp_path / "out", landmarks=tmp_path / "landmarks.txt", **FAST)
    assert summary.problems == {"no landmarks given": 7, "landmarks of no face": 1}


def test_all_faces_of_a_photo_get_numbered_crops(photos, tmp_path, write_photo):
    pair = np.hstack([read_photo(photos / "Ann_Õun/1.jpg"), read_photo(photos / "Bob/1.jpg")])
    write_photo(tmp_path / "couples/both/1.png", pair)
    summary = align_folder(tmp_path / "couples", tmp_path / "out", face="all", **FAST)
    assert (summary.num_photos, summary.num_crops) == (1, 2)
    assert read_manifest(tmp_path / "out/manifest.csv")["path"].tolist() == ["both/1_0.png", "both/1_1.png"]


def test_jpg_crops_are_smaller_and_near_the_lossless_ones(photos, tmp_path):
    align_folder(photos, tmp_path / "png", **FAST)
    align_folder(photos, tmp_path / "jpg", format="jpg", quality=90, **FAST)
    for png in (tmp_path / "png").glob("*/*.png"):
        jpg = tmp_path / "jpg" / png.relative_to(tmp_path / "png").with_suffix(".jpg")
        assert jpg.stat().st_size < png.stat().st_size
        assert np.abs(read_photo(jpg).astype(int) - read_photo(png)).mean() < 4


def test_two_selections_of_the_same_photos_share_a_folder(photos, tmp_path):
    align_folder(photos, tmp_path / "out", selection=["Bob/1"], **FAST)
    crop = tmp_path / "out" / "Bob" / "1.png"
    before = crop.read_bytes()
    align_folder(photos, tmp_path / "out", selection=["Bob/2"], **FAST)
    assert crop.read_bytes() == before
    assert list(read_manifest(tmp_path / "out" / "manifest.csv")["path"]) == ["Bob/1.png", "Bob/2.png"]


def test_a_selection_of_keys_is_aligned_and_missing_ones_are_reported(photos, tmp_path):
    summary = align_folder(photos, tmp_path / "out", selection=["Bob/1", "Zoë/3.jpg", "Eve/1"], **FAST)
    assert (summary.num_photos, summary.num_crops) == (3, 2)
    assert summary.problems == {"no such file": 1}


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
        ({"factor": 1.5}, "factor must lie between 0 and 1, got 1.5"),
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


def test_threads_are_afterwards_as_they_were(photos, tmp_path):
    import torch

    torch.set_num_threads(2)
    before = cv2.getNumThreads()
    align_folder(photos, tmp_path / "out", selection=["Bob/1"], **FAST)
    assert (torch.get_num_threads(), cv2.getNumThreads()) == (2, before)


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


def test_what_a_killed_run_left_half_written_is_removed(photos, tmp_path, whole_run):
    out = tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        align_folder(photos, out, progress=stop_at(2), **FAST)
    # as a kill leaves it: the crop of a photo that is there, of one that is gone, and a report
    for name in ("Bob/3.png", "Eve/1.png", "report.json", "progress.jsonl"):
        (out / name).parent.mkdir(exist_ok=True)
        unfinished_name(out / name).write_text("half")
    align_folder(photos, out, **FAST)
    assert tree(out) == whole_run


@pytest.mark.real_data
def test_lfw_photos_are_aligned_where_lfws_landmarks_are(shared_data, tmp_path):
    keys = [f"Aaron_Peirsol/Aaron_Peirsol_000{n}" for n in range(1, 5)] + [
        "Zydrunas_Ilgauskas/Zydrunas_Ilgauskas_0001"
    ]
    summary = align_folder(shared_data / "lfw", tmp_path / "out", selection=keys, workers=1)
    assert summary.methods == {"detected": 5}
    table = read_manifest(tmp_path / "out/manifest.csv")
    landmarks = table[list(LANDMARK_COLUMNS)].to_numpy().reshape(-1, 5, 2)
    assert np.abs(landmarks - centre_landmarks(250, 250)).max() < 25


@pytest.mark.real_data
def test_tightly_cropped_grey_pgm_photos_are_aligned(shared_data, tmp_path):
    summary = align_folder(
        shared_data / "orl",
        tmp_path / "out",
        selection=["s1/1", "s2/1", "s3/1", "s4/1"],
        fallback="centre",
        workers=1,
    )
    assert summary.num_crops == 4
    assert summary.methods["detected"] >= 3
