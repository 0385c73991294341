import os
import shutil
import sys

import numpy as np
import pytest

from sphereface_plus.data import faces
from sphereface_plus.data.crops import CropsError
from sphereface_plus.data.faces import FaceCrops
from sphereface_plus.data.formats.manifest import LANDMARK_COLUMNS, ManifestRow, write_manifest


def row(path, identity, **changes):
    landmarks = dict.fromkeys(LANDMARK_COLUMNS, 1.0)
    box = dict.fromkeys(("score", "box_left", "box_top", "box_right", "box_bottom"), float("nan"))
    values = {"source": path, "method": "given", "template": "arcface_112x112", "height": 12, "width": 10}
    return ManifestRow(path=path, identity=identity, **{**values, **box, **landmarks, **changes})


def write_rows(folder, rows):
    write_manifest(folder / "manifest.csv", rows)


def test_a_folder_gives_sorted_identities_and_labels_without_gaps(crops_folder):
    crops = FaceCrops.open(crops_folder)
    assert crops.identities == ["Ann", "Cem", "bob"]
    assert crops.labels == [0] * 5 + [1] + [2] * 3
    assert crops.keys[0] == "Ann/Ann_0000"
    assert crops.keys[-1] == "bob/bob_0002"
    assert crops.paths[0] == str(crops_folder / "Ann" / "Ann_0000.png")
    assert (crops.template, crops.size) == (None, (12, 10))


def test_the_same_folder_gives_the_same_set_every_time(crops_folder):
    assert FaceCrops.open(crops_folder) == FaceCrops.open(str(crops_folder))


def test_identities_with_too_few_crops_are_left_out_and_the_others_renumbered(crops_folder):
    crops = FaceCrops.open(crops_folder, min_images=2)
    assert crops.identities == ["Ann", "bob"]
    assert crops.labels == [0] * 5 + [1] * 3
    assert crops.keys[5:] == ["bob/bob_0000", "bob/bob_0001", "bob/bob_0002"]
    with pytest.raises(CropsError, match=r"no identity with 6 crops is left \(the most is 5\)"):
        FaceCrops.open(crops_folder, min_images=6)


def test_excluded_identities_are_left_out_and_the_others_renumbered(crops_folder):
    everybody = FaceCrops.open(crops_folder)
    crops = FaceCrops.open(crops_folder, exclude=["Ann", "nobody"])
    assert crops.identities == [name for name in everybody.identities if name != "Ann"]
    assert sorted(set(crops.labels)) == list(range(len(crops.identities)))
    assert not any(key.startswith("Ann/") for key in crops.keys)
    with pytest.raises(CropsError, match=r"no identity with 1 crop is left .* exclude fewer"):
        FaceCrops.open(crops_folder, exclude=everybody.identities)


def test_who_is_left_out_is_named_with_the_reason(crops_folder, write_crop):
    (crops_folder / "Dot").mkdir()
    write_crop(crops_folder / "Eve" / "video" / "1.png", np.random.default_rng(0))
    assert FaceCrops.open(crops_folder, min_images=2, exclude=["bob"]).left_out == {
        "Cem": "1 crop, fewer than min_images 2",
        "Dot": "its folder holds no image",
        "empty": "its folder holds no image",
        "Eve": "its images lie deeper (Eve/video/1.png); give a list file of them",
        "bob": "excluded",
    }


def test_what_lies_beside_or_below_peoples_crops_and_who_may_be_none_is_said(crops_folder, write_crop):
    (note,) = FaceCrops.open(crops_folder).notes
    assert note == "1 image beside the people's folders left out, first loose.png"
    for name in ("Ann/video/1.png", "Ann/video/2.png", "bob/a/b/1.png", "images/1.png"):
        write_crop(crops_folder / name, np.random.default_rng(0))
    (crops_folder / "Cem" / "notes").mkdir()
    (crops_folder / "another.png").touch()
    crops = FaceCrops.open(crops_folder)
    assert crops.notes == [
        "folders in the people's folders are left out, with their images: Ann/video, bob/a; to take them, "
        "too, give a list file of `path label` lines",
        "2 images beside the people's folders left out, first another.png",
        "images is taken for one person, with 1 image; if it holds several people's, put each person's into "
        "a folder of its own, or give a list file of `path label` lines",
    ]
    assert crops.left_out == {"empty": "its folder holds no image"}


def test_images_that_lie_deeper_are_refused_with_what_to_give_instead(tmp_path, write_crop):
    write_crop(tmp_path / "train" / "Ann" / "1.png", np.random.default_rng(0))
    with pytest.raises(
        CropsError,
        match=r"deeper \(train/Ann/1\.png\); if Ann is a person, give .*/train; if train is one, .* list",
    ):
        FaceCrops.open(tmp_path)


def test_a_crop_replaced_by_another_of_its_length_changes_the_content_only(crops_folder):
    before = FaceCrops.open(crops_folder)
    fingerprint, content = before.fingerprint(), before.content()
    crop = crops_folder / "bob" / "bob_0001.png"
    data = bytearray(crop.read_bytes())
    data[-20] ^= 1
    crop.write_bytes(data)
    after = FaceCrops.open(crops_folder)
    assert after.fingerprint() == fingerprint
    assert after.content() != content
    data[-20] ^= 1
    crop.write_bytes(data)
    assert after.content() == content


def test_of_a_large_set_evenly_spread_crops_are_read(crops_folder, monkeypatch):
    crops, read = FaceCrops.open(crops_folder), []
    monkeypatch.setattr(faces, "READ", 4)
    monkeypatch.setattr(faces, "crop_bytes", lambda path: read.append(path) or b"")
    crops.content()
    assert read == crops.paths[::3]


def test_a_manifest_of_several_warps_comes_with_a_note(crops_folder):
    names = ["Ann/Ann_0000.png", "Ann/Ann_0001.png", "bob/bob_0000.png"]
    write_rows(crops_folder, [row(name, name[:3], warp="exact") for name in names])
    assert FaceCrops.open(crops_folder).notes == []
    warps = ["exact", "opencv 4.10.0", "exact"]
    write_rows(
        crops_folder, [row(name, name[:3], warp=warp) for name, warp in zip(names, warps, strict=True)]
    )
    (note,) = FaceCrops.open(crops_folder, min_images=2).notes
    assert "(2 by exact, 1 by opencv 4.10.0)" in note


def test_a_folder_without_identities_is_refused(tmp_path, write_crop):
    write_crop(tmp_path / "loose.png", np.random.default_rng(0))
    with pytest.raises(
        CropsError, match=r"or images in identity/image folders, and its images \(loose\.png\) lie beside"
    ):
        FaceCrops.open(tmp_path)


def test_crops_of_an_interrupted_alignment_are_refused(crops_folder):
    (crops_folder / "progress.jsonl").touch()
    with pytest.raises(CropsError, match=r"its alignment was interrupted; give the same .* again"):
        FaceCrops.open(crops_folder)


def test_a_set_that_is_not_there_is_named(tmp_path):
    with pytest.raises(CropsError, match="nowhere: there is no such folder, manifest, list or packed"):
        FaceCrops.open(tmp_path / "nowhere")


@pytest.mark.real_data
def test_lfw_is_an_identity_image_folder_of_5749_people_1680_of_them_with_two_photos(shared_data):
    crops = FaceCrops.open(shared_data / "lfw" / "images")
    assert (len(crops.paths), len(crops.identities)) == (13_233, 5_749)
    assert crops.size == (250, 250)
    crops = FaceCrops.open(shared_data / "lfw" / "images", min_images=2)
    assert (len(crops.paths), len(crops.identities)) == (9_164, 1_680)


def test_a_manifest_says_template_size_and_identities_and_is_found_in_its_folder(crops_folder):
    # The manifest's word counts, not the folders'.
    write_rows(crops_folder, [row("bob/bob_0001.png", "0000045"), row("Ann/Ann_0000.png", "0000007")])
    crops = FaceCrops.open(crops_folder)
    assert crops == FaceCrops.open(crops_folder / "manifest.csv")
    assert crops.identities == ["0000007", "0000045"]
    assert crops.labels == [1, 0]
    assert crops.keys == ["bob/bob_0001", "Ann/Ann_0000"]
    assert crops.paths[0] == str(crops_folder / "bob" / "bob_0001.png")
    assert (crops.template, crops.size) == ("arcface_112x112", (12, 10))


def test_a_manifest_of_mixed_templates_is_refused(crops_folder):
    write_rows(crops_folder, [row("a.png", "a"), row("b.png", "b", template="other", width=8)])
    with pytest.raises(CropsError, match="this manifest mixes arcface_112x112 12x10, other 12x8"):
        FaceCrops.open(crops_folder)


def test_an_empty_manifest_is_refused(tmp_path):
    write_rows(tmp_path, [])
    with pytest.raises(CropsError, match=r"the manifest holds no crop; report\.json beside it says"):
        FaceCrops.open(tmp_path)


def test_a_list_may_have_spaces_or_tabs_and_is_relative_to_its_folder_or_a_root(crops_folder, write_crop):
    write_crop(crops_folder / "a name" / "a 1.png", np.random.default_rng(1))
    lines = ["bob/bob_0000.png 1", "", "a name/a 1.png\t2", "Ann/Ann_0000.png\t0", "bob/bob_0001.png  1"]
    (crops_folder / "list.txt").write_text("\n".join(lines))
    crops = FaceCrops.open(crops_folder / "list.txt")
    assert crops.labels == [1, 2, 0, 1]
    assert crops.identities == ["0", "1", "2"]
    assert crops.keys == ["bob/bob_0000", "a name/a 1", "Ann/Ann_0000", "bob/bob_0001"]
    assert (crops.template, crops.size) == (None, (12, 10))
    elsewhere = crops_folder.parent / "list.txt"
    elsewhere.write_text("\n".join(lines))
    assert FaceCrops.open(elsewhere, root=crops_folder) == crops


def test_list_identities_keep_their_numeric_order_beyond_ten(crops_folder):
    lines = [f"bob/bob_0000.png {label}" for label in range(12)]
    (crops_folder / "list.txt").write_text("\n".join(lines))
    crops = FaceCrops.open(crops_folder / "list.txt")
    assert crops.labels == list(range(12))
    assert crops.identities == [str(label) for label in range(12)]


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([0, 1, 3], "3 identities need the labels 0 to 2 without gaps; not among these: 3; missing: 2"),
        ([1, 2], "2 identities need the labels 0 to 1 without gaps; not among these: 2; missing: 0"),
        (range(7, 14), "not among these: 7, 8, 9, 10, 11 and 2 more; missing: 0, 1, 2, 3, 4 and 2 more"),
    ],
)
def test_a_list_whose_labels_have_gaps_is_refused(tmp_path, labels, message):
    (tmp_path / "list.txt").write_text("\n".join(f"a.png {label}" for label in labels))
    with pytest.raises(CropsError, match=message):
        FaceCrops.open(tmp_path / "list.txt")


@pytest.mark.parametrize("line", ["a.png", "a.png one", "a.png -1", "a.png 1.0", "a.png ²"])
def test_a_bad_line_of_a_list_is_named_by_number(tmp_path, line):
    (tmp_path / "list.txt").write_text(f"a.png 0\n{line}\n")
    with pytest.raises(
        CropsError, match=r"list\.txt, line 2: expected `path label`, label 0, 1, 2, \.\.\., got"
    ):
        FaceCrops.open(tmp_path / "list.txt")


@pytest.mark.parametrize(
    ("content", "message"), [(b"\n", "the list holds no crop"), (b"\xff\x81", "is not a list of images")]
)
def test_an_empty_or_binary_list_is_refused(tmp_path, content, message):
    (tmp_path / "list.txt").write_bytes(content)
    with pytest.raises(CropsError, match=message):
        FaceCrops.open(tmp_path / "list.txt")


def test_a_root_for_a_folder_is_refused(crops_folder):
    with pytest.raises(CropsError, match="root is for list files"):
        FaceCrops.open(crops_folder, root=crops_folder)


@pytest.mark.skipif(sys.platform != "linux", reason="needs file names that are plain bytes")
def test_a_name_that_is_not_utf_8_is_refused(crops_folder, tmp_path):
    shutil.copytree(crops_folder, tmp_path / "named")
    shutil.copy(crops_folder / "Ann" / "Ann_0000.png", tmp_path / "named" / "bob" / os.fsdecode(b"\xff.png"))
    with pytest.raises(CropsError, match=r"named: the name bob/\\udcff\.png is not UTF-8"):
        FaceCrops.open(tmp_path / "named")
