"""--images takes crops in each form that training takes them in, with the same scores."""

from __future__ import annotations

import csv
from pathlib import Path

import cv2
import numpy as np
import pytest

from data_prep.packing import pack
from eval import report as reports
from eval import report_files
from eval.photos import PhotosError, find_images
from sphereface_plus.config import InputSpec, from_dict
from sphereface_plus.data.formats.manifest import MANIFEST, ManifestRow, write_manifest
from sphereface_plus.training.validation import PairsValidation
from tests.small_sets import small_recipe


@pytest.fixture
def crops(crop_pairs, tmp_path) -> dict[str, Path]:
    """The same crops as a folder, a list, a .tar and a .rec, and with a manifest as two of these."""
    images, _ = crop_pairs
    names = sorted(path.relative_to(images).as_posix() for path in images.rglob("*.png"))
    list_file = images / "crops.txt"
    list_file.write_text("".join(f"{name} {name[1:].split('/')[0]}\n" for name in names))
    places = {"folder": images, "list": list_file}
    for suffix in ("tar", "rec"):
        places[suffix] = tmp_path / f"packed.{suffix}"
        pack(images, places[suffix])
    listed = tmp_path / "listed"
    rows = []
    for name in names:
        (listed / name).parent.mkdir(parents=True, exist_ok=True)
        (listed / name).write_bytes((images / name).read_bytes())
        method = "centre" if name == "p0/0.png" else "detected"
        row = ManifestRow(
            name, name.split("/")[0], name, method, "sphereface_112x96", 112, 96, 0.9, *range(14)
        )
        rows.append(row)
    write_manifest(listed / MANIFEST, rows)
    places |= {"manifest": listed / MANIFEST, "manifest_in_tar": tmp_path / "listed.tar"}
    pack(listed, places["manifest_in_tar"])
    return places


def test_every_form_of_the_same_crops_has_the_same_scores(crops, crop_pairs, run_eval, tmp_path):
    scores, words = {}, {}
    for form, place in crops.items():
        out = tmp_path / f"out_{form}"
        run_eval("verify", "--model", "pixels", "--images", place, "--pairs", crop_pairs[1], "--out", out)
        report = report_files.read(out)
        scores[form], words[form] = report["per_pair"]["score"], report["preparation"]["words"]
        assert (out / "report.html").read_text().count("data:image/jpeg") == 2 * 2 * reports.NUM_WORST
        assert not (out / "crops").exists()
    assert all(of_form == scores["folder"] for of_form in scores.values())
    assert "Crops of packed.tar, used as they are" in words["tar"]
    for form in ("manifest", "manifest_in_tar"):
        assert words[form].startswith("Of 24 faces, 23 were detected, 1 was not found")


def test_identification_says_of_how_many_photos_no_face_was_found_and_lists_them(crops, run_eval, tmp_path):
    out = tmp_path / "out"
    output = run_eval("identify", "--model", "pixels", "--gallery", crops["manifest"], "--out", out).output
    said = "no face was found in 1 of 24 photos, and the place where faces usually are was taken"
    assert f"note: gallery: {said}" in output
    page = (out / "report.html").read_text()
    assert "1 photo without a detected face" in page
    assert "<bdi>p0/0</bdi>: centre" in page
    assert "p0/0" not in (out / "public/report.html").read_text()


def test_photos_are_those_of_trainings_validation(crops, crop_pairs):
    """Which crops a pair names is the same here and in training."""
    pairs = crop_pairs[1]
    for place in crops.values():
        config = {"validation": {"pairs": str(pairs), "images": str(place), "every": 1}}
        keys = set(find_images(place).files)
        assert keys == {f"p{person}/{number}" for person in range(12) for number in range(2)}
        assert PairsValidation(validation_of(config), InputSpec(), device_cpu()).people == {
            f"p{person}" for person in range(12)
        }


def validation_of(part: dict):
    return from_dict(small_recipe(**part)).validation


def device_cpu():
    import torch

    return torch.device("cpu")


def test_a_pack_of_other_crops_is_refused_and_not_aligned(crop_pairs, run_eval, tmp_path):
    images, pairs = crop_pairs
    for path in images.rglob("*.png"):
        cv2.imwrite(str(path), np.zeros((112, 112, 3), np.uint8))
    pack(images, tmp_path / "square.tar")
    arguments = ("--images", tmp_path / "square.tar", "--pairs", pairs, "--out", tmp_path / "out")
    output = run_eval("verify", "--model", "pixels", *arguments, code=1).output
    assert "expected sphereface_112x96 crops of 112x96 (height x width), got images of 112x112" in output
    assert not (tmp_path / "out" / "crops").exists()


def test_a_file_of_no_form_is_refused_with_the_forms_there_are(tmp_path):
    (tmp_path / "notes.txt").write_text("hello\n")
    with pytest.raises(ValueError, match=r"notes\.txt, line 1: expected `path label`"):
        find_images(tmp_path / "notes.txt")
    with pytest.raises(PhotosError, match="a folder of photos or crops, or a manifest, list or packed set"):
        find_images(tmp_path / "nothing.tar")


def test_two_crops_of_one_key_in_a_list_are_refused_where_the_pairs_name_them(tmp_path):
    with (tmp_path / "crops.txt").open("w") as file:
        csv.writer(file, delimiter=" ").writerows([["a/1.png", 0], ["a/1.jpg", 0], ["a/2.png", 0]])
    found = find_images(tmp_path / "crops.txt")
    assert list(found.only(["a/2"]).files) == ["a/2"]
    with pytest.raises(PhotosError, match=r"a/1\.png and a/1\.jpg have one name, suffixes aside"):
        found.only(["a/1"])
