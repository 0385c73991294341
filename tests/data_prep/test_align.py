"""Photos become crops: the same ones for any workers and interruptions, and nothing is lost."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from data_prep.align import align_folder
from data_prep.alignment import ALIGNMENT_TEMPLATES, align, is_aligned
from data_prep.cropping import centre_landmarks
from data_prep.errors import PrepError
from data_prep.images import read_photo
from data_prep.mtcnn import MTCNN
from sphereface_plus.data.formats.manifest import LANDMARK_COLUMNS, read_manifest
from tests.data_prep.aligning import FAST, report, stop_at, tree


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


def test_the_report_names_settings_and_versions(photos, tmp_path):
    align_folder(photos, tmp_path / "out", **FAST)
    told = report(tmp_path / "out")
    assert told["settings"]["template"] == "sphereface_112x96"
    assert told["settings"]["fit"] == "inverse"
    assert told["settings"]["detector"]["thresholds"] == [0.6, 0.7, 0.9]
    assert {"python", "torch", "numpy", "opencv", "pillow", "facenet-pytorch"} == set(told["versions"])
    assert told["this_run"]["num_photos"] == 9
    assert told["this_run"]["photos_per_second"] > 0


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


def test_threads_are_afterwards_as_they_were(photos, tmp_path):
    import torch

    torch.set_num_threads(2)
    before = cv2.getNumThreads()
    align_folder(photos, tmp_path / "out", selection=["Bob/1"], **FAST)
    assert (torch.get_num_threads(), cv2.getNumThreads()) == (2, before)


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
