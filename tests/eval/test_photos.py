"""Which images serve a pairs list, and what is said about how they were made."""

from __future__ import annotations

import re
from pathlib import Path

import cv2
import numpy as np
import pytest

from data_prep.dropped import move_rows
from eval import photos
from sphereface_plus.config import InputSpec
from sphereface_plus.data.crops import SpecError
from sphereface_plus.data.formats.manifest import MANIFEST, ManifestRow, write_manifest
from sphereface_plus.outputs import UNFINISHED

SPEC = InputSpec()


def image(path: Path, height: int = 112, width: int = 96) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.full((height, width, 3), 90, np.uint8))
    return path


def crop_row(path: str, method: str = "detected", template: str = "sphereface_112x96") -> ManifestRow:
    identity = path.split("/")[0]
    return ManifestRow(path, identity, path, method, template, 112, 96, 0.9, *range(14))


@pytest.fixture
def crops(tmp_path) -> Path:
    """A folder of three crops with a manifest: detected, relaxed, centre."""
    rows = [
        crop_row(f"A/A_{k:04d}.png", method) for k, method in enumerate(("detected", "relaxed", "centre"))
    ]
    for row in rows:
        image(tmp_path / row.path)
    write_manifest(tmp_path / MANIFEST, rows)
    return tmp_path


def test_crops_of_a_manifest_tell_what_was_not_detected(crops):
    keys = ["A/A_0000", "A/A_0001", "A/A_0002"]
    images, record = photos.crops_for(keys, crops, SPEC, crops=crops / "none")
    assert list(images.files) == keys
    assert record["methods"] == {"detected": 1, "relaxed": 1, "centre": 1}
    assert record["not_detected"] == [
        {"photo": "A/A_0001", "method": "relaxed"},
        {"photo": "A/A_0002", "method": "centre"},
    ]
    assert "1 was found only with lower thresholds" in record["words"]
    assert "1 was not found" in record["words"]


@pytest.mark.parametrize("folder", ["images", "lfw", "lfw_funneled"])
def test_lfw_is_found_where_it_is_usually_unpacked_to(tmp_path, folder):
    image(tmp_path / folder / "A/A_0001.jpg")
    assert list(photos.find_images(tmp_path).files) == ["A/A_0001"]


def test_only_the_photos_of_the_pairs_are_counted(crops):
    record = photos.crops_for(["A/A_0000"], crops, SPEC, crops=crops / "none")[1]
    assert record["methods"] == {"detected": 1}
    assert record["not_detected"] == []


def test_images_of_the_networks_size_are_taken_as_crops(tmp_path):
    image(tmp_path / "images" / "deep" / "er" / "x.png")
    images, record = photos.crops_for(["deep/er/x"], tmp_path, SPEC, crops=tmp_path / "none")
    assert images.files["deep/er/x"] == tmp_path / "images" / "deep" / "er" / "x.png"
    assert "no manifest says how they were made" in record["words"]
    assert not (tmp_path / "none").exists()


def test_crops_of_another_template_are_refused(crops):
    spec = InputSpec(template="arcface_112x112", width=112)
    with pytest.raises(SpecError, match=r"expected arcface_112x112.*got sphereface_112x96"):
        photos.crops_for(["A/A_0000"], crops, spec, crops=crops / "none")


def test_missing_photos_are_counted_and_named(crops, tmp_path_factory):
    missing = [f"B/B_000{n}" for n in range(1, 6)]
    with pytest.raises(
        photos.PhotosError,
        match=r"2 of the 3 photos asked for \(B/B_0001, B/B_0002\); its report\.json says why",
    ):
        photos.find_images(crops).only(["A/A_0000", *missing[:2]])
    with pytest.raises(
        photos.PhotosError,
        match=r"5 of the 5 photos .* \(B/B_0001, B/B_0002, B/B_0003, \.\.\.\); the list is of other",
    ):
        photos.find_images(crops).only(missing)
    with pytest.raises(photos.PhotosError, match="there is no such folder"):
        photos.find_images(crops / "elsewhere")


def test_crops_that_are_not_all_there_yet_are_refused_with_what_goes_on(crops):
    (crops / UNFINISHED).touch()
    assert len(photos.find_images(crops).files) == 3  # a manifest says that all are there
    (crops / MANIFEST).unlink()
    with pytest.raises(
        photos.PhotosError,
        match=r"holds progress\.jsonl and no manifest\.csv: its alignment was interrupted; give the same "
        r"`python -m data_prep align` \(or `python -m eval`\) again, it goes on where it stopped",
    ):
        photos.find_images(crops)


def test_two_files_of_one_photo_are_refused_where_the_pairs_name_it(tmp_path):
    for name in ("a.png", "a.jpg", "b.png"):
        image(tmp_path / "Ann" / name)
    found = photos.find_images(tmp_path)
    assert list(found.only(["Ann/b"]).files) == ["Ann/b"]
    with pytest.raises(photos.PhotosError, match=r"Ann/a\.jpg and Ann/a\.png have one name, suffixes aside"):
        found.only(["Ann/a", "Ann/b"])


def test_a_manifest_of_two_templates_is_refused(tmp_path):
    rows = [crop_row("A/1.png"), crop_row("A/2.png", template="arcface_112x112")]
    write_manifest(tmp_path / MANIFEST, rows)
    with pytest.raises(photos.PhotosError, match="crops of one template are needed"):
        photos.find_images(tmp_path)


def test_fingerprint_changes_with_a_file_and_not_with_the_folders_place(crops, tmp_path):
    before = photos.fingerprint(photos.find_images(crops))
    assert photos.fingerprint(photos.find_images(crops)) == before
    image(crops / "A" / "A_0000.png", height=111)
    assert photos.fingerprint(photos.find_images(crops)) != before


def test_photos_that_were_dropped_are_said_to_be(crops):
    move_rows(crops / MANIFEST, (crops / MANIFEST).read_bytes(), {"A/A_0001.png"})
    message = (
        ": 1 of the 2 photos asked for was dropped (A/A_0001), as manifest.csv.dropped says; make the "
        "pairs or the list again, without them"
    )
    for place in (crops, crops / MANIFEST):
        with pytest.raises(photos.PhotosError, match=re.escape(message)):
            photos.find_images(place).only(["A/A_0000", "A/A_0001"])
    with pytest.raises(
        photos.PhotosError, match=r"1 of the 2 photos asked for \(B/1\); its report\.json says"
    ):
        photos.find_images(crops).only(["A/A_0000", "B/1"])


def test_photos_that_cannot_be_read_are_named_by_their_paths(tmp_path):
    folder = tmp_path / "photos"
    for name in ("A/1.png", "A/2.png"):
        image(folder / name, 60, 60)
    (folder / "B").mkdir()
    (folder / "B/1.jpg").write_text("no photo")
    (folder / "B/2.jpg").touch()
    message = (
        f"{folder}: 2 of the 4 photos cannot be used ({folder}/B/1.jpg: is not an image that Pillow or "
        f"OpenCV reads, {folder}/B/2.jpg: is an empty file); put whole photos in their place, "
        "or leave these out"
    )
    with pytest.raises(photos.PhotosError, match=re.escape(message)):
        photos.crops_for(["A/1", "A/2", "B/1", "B/2"], folder, SPEC, crops=tmp_path / "crops", workers=1)
