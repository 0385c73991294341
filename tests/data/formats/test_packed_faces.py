"""Training from a .rec or a tar is training from the folder that was packed."""

from __future__ import annotations

import tarfile
from contextlib import suppress
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sphereface_plus.data.batches import BatchSampler, loader
from sphereface_plus.data.crop_dataset import CropDataset
from sphereface_plus.data.crops import CropsError, SpecError, read_crop
from sphereface_plus.data.faces import FaceCrops
from sphereface_plus.data.formats.image_records import write_image_records
from sphereface_plus.data.formats.manifest import LANDMARK_COLUMNS, ManifestError, ManifestRow, write_manifest
from sphereface_plus.data.formats.packed_faces import names_of_rec, open_pack
from sphereface_plus.data.formats.recordio import RecordError
from sphereface_plus.data.formats.tars import TarError


def write_rows(path, crops):
    rest = dict.fromkeys(("score", "box_left", "box_top", "box_right", "box_bottom"), float("nan"))
    rest |= dict.fromkeys(LANDMARK_COLUMNS, 1.0)
    write_manifest(
        path,
        [
            ManifestRow(f"{key}.png", crops.identities[label], f"{key}.png", "given", "mine", 12, 10, **rest)
            for key, label in zip(crops.keys, crops.labels, strict=True)
        ],
    )


@pytest.fixture
def folder(crops_folder):
    return FaceCrops.open(crops_folder)


@pytest.fixture
def rec(tmp_path, folder):
    files = [Path(path).read_bytes() for path in folder.paths]
    images = zip(folder.labels, files, strict=True)
    write_image_records(tmp_path / "train.rec", images, size=(12, 10))
    return tmp_path / "train.rec"


@pytest.fixture
def tar(tmp_path, crops_folder):
    with tarfile.open(tmp_path / "crops.tar", "w") as file:
        file.add(crops_folder, "crops")
    return tmp_path / "crops.tar"


def same_pixels(a: FaceCrops, b: FaceCrops) -> bool:
    return all(np.array_equal(read_crop(x), read_crop(y)) for x, y in zip(a.paths, b.paths, strict=True))


def test_images_that_lie_deeper_in_a_tar_are_told(tmp_path, crops_folder, write_crop):
    for name in ("Dot/video/1.png", "Ann/old/1.png"):
        write_crop(crops_folder / name, np.random.default_rng(0))
    with tarfile.open(tmp_path / "crops.tar", "w") as file:
        file.add(crops_folder, "crops")
    crops = FaceCrops.open(tmp_path / "crops.tar")
    assert crops.identities == ["Ann", "Cem", "bob"]
    assert crops.left_out == {"Dot": "its images lie deeper (Dot/video/1.png)"}
    (note,) = crops.notes
    # The third lies beside the folders.
    assert note.startswith("3 images not in identity/image folders left out, first ")


def test_a_tar_is_the_set_that_its_folder_is(tar, folder):
    crops = FaceCrops.open(tar)
    assert (crops.keys, crops.labels, crops.identities) == (folder.keys, folder.labels, folder.identities)
    assert (crops.template, crops.size) == (None, (12, 10))
    assert same_pixels(crops, folder)
    assert crops.fingerprint() == folder.fingerprint()


def test_a_rec_without_a_manifest_has_numbered_identities(rec, folder):
    crops = FaceCrops.open(rec)
    assert crops.identities == ["0000000", "0000001", "0000002"]
    assert crops.labels == folder.labels
    assert crops.keys[:2] == ["0000000/00000001", "0000000/00000002"]
    assert same_pixels(crops, folder)


def test_with_its_manifest_a_rec_has_the_names_keys_and_template_of_its_folder(rec, folder):
    write_rows(names_of_rec(rec), folder)
    crops = FaceCrops.open(rec)
    assert (crops.keys, crops.labels, crops.identities) == (folder.keys, folder.labels, folder.identities)
    assert (crops.template, crops.size) == ("mine", (12, 10))


def test_names_without_a_manifest_are_kept_too(rec, folder):
    rows = [
        f"{key}.png,{folder.identities[label]}" for key, label in zip(folder.keys, folder.labels, strict=True)
    ]
    names_of_rec(rec).write_text("\n".join(["path,identity", *rows]) + "\n")
    crops = FaceCrops.open(rec)
    assert (crops.keys, crops.labels, crops.identities) == (folder.keys, folder.labels, folder.identities)
    assert crops.fingerprint() != folder.fingerprint()  # a record is longer than its file


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (
            "../out.png,Ann",
            r"row 9: expected a relative path and an identity, got \['\.\./out",
        ),
        ("a.png", "row 9: expected a relative path"),
        ("a\0.png,Ann", "row 9: expected a relative path"),
        ("a.png,", "row 9: expected a relative path"),
        ("0.png,c", "names a crop twice"),
        ('"', "is not a CSV file"),
    ],
)
def test_wrong_names_are_refused(rec, row, message):
    rows = [f"{number}.png,{'aaaaabcc'[number]}" for number in range(8)]
    names_of_rec(rec).write_text("\n".join(["path,identity", *rows, row]) + "\n")
    with pytest.raises(ManifestError, match=message):
        FaceCrops.open(rec)


def test_a_tar_of_one_identity_is_one_and_what_lies_elsewhere_is_passed_over(tmp_path, crops_folder):
    with tarfile.open(tmp_path / "a.tar", "w") as file:
        file.add(crops_folder / "Ann", "crops/Ann")
    assert FaceCrops.open(tmp_path / "a.tar").identities == ["Ann"]
    with tarfile.open(tmp_path / "a.tar", "a") as file:
        file.add(crops_folder / "loose.png", "crops/loose.png")
        file.add(crops_folder / "bob", "crops/Ann/bob")
    assert FaceCrops.open(tmp_path / "a.tar").keys == [f"Ann/Ann_{number:04d}" for number in range(5)]


def test_a_tar_without_identities_is_refused(tmp_path, crops_folder):
    with tarfile.open(tmp_path / "a.tar", "w") as file:
        file.add(crops_folder / "loose.png", "loose.png")
    with pytest.raises(TarError, match=r"a\.tar: expected images as identity/image, or"):
        FaceCrops.open(tmp_path / "a.tar")


def test_a_manifest_in_a_tar_is_that_of_its_crops(tmp_path, crops_folder, folder):
    write_rows(crops_folder / "manifest.csv", folder)
    for name in ("crops", "."):
        with tarfile.open(tmp_path / "a.tar", "w") as file:
            file.add(crops_folder, name)
        crops = FaceCrops.open(tmp_path / "a.tar")
        assert crops == FaceCrops.open(crops_folder).__class__(
            crops.paths, folder.keys, folder.labels, folder.identities, "mine", (12, 10)
        )
        assert same_pixels(crops, folder)


def test_identities_may_be_left_out_of_packed_sets_too(tar, rec, crops_folder):
    expected = FaceCrops.open(crops_folder, min_images=2, exclude=["bob"])
    assert FaceCrops.open(tar, min_images=2, exclude=["bob"]).keys == expected.keys
    assert FaceCrops.open(rec, min_images=2, exclude=["0000002"]).labels == expected.labels


@pytest.mark.parametrize("workers", [0, 2])
def test_batches_of_packed_sets_are_those_of_the_folder_at_any_step_in_any_process(rec, tar, folder, workers):
    def batches(crops, start, count):
        sampler = BatchSampler(len(crops.paths), 4, seed=3, start_step=start)
        dataset = CropDataset(crops, seed=3, flip=True, shift=1)
        return list(islice(loader(dataset, sampler, workers=workers), count))

    expected = batches(folder, 0, 6)
    for path in (rec, tar):
        crops = FaceCrops.open(path)
        read_crop(crops.paths[0])  # a file that is open already is opened again by each process
        for found in (batches(crops, 0, 6), expected[:2] + batches(crops, 2, 4)):
            for (images, labels), (expected_images, expected_labels) in zip(found, expected, strict=True):
                assert torch.equal(images, expected_images)
                assert torch.equal(labels, expected_labels)


def test_a_bad_crop_is_named_by_file_and_record(tmp_path):
    write_image_records(tmp_path / "a.rec", [(0, b"no image"), (1, b"nor this")])
    with pytest.raises(CropsError, match=r"a\.rec, record 1: the crop is empty, cut short or no image"):
        FaceCrops.open(tmp_path / "a.rec")


def test_a_file_that_becomes_shorter_is_an_error_of_the_crop(rec):
    crops = FaceCrops.open(rec)
    rec.write_bytes(rec.read_bytes()[:500])
    with pytest.raises(CropsError, match=r"train\.rec, byte \d+: the file ends within a record"):
        read_crop(crops.paths[-1])


def test_a_property_file_of_another_size_is_refused(rec):
    (rec.parent / "property").write_text("3,112,112\n")
    with pytest.raises(
        SpecError, match=r"its first crop is 12x10, and its property file or manifest says 112x112"
    ):
        FaceCrops.open(rec)


def test_a_property_file_of_fewer_identities_is_another_sets_and_of_more_is_well(rec, folder):
    for count in (3, 5):
        (rec.parent / "property").write_text(f"{count},12,10\n")
        assert len(FaceCrops.open(rec).identities) == 3
    (rec.parent / "property").write_text("2,12,10\n")
    with pytest.raises(
        RecordError, match=r"train\.rec: has 3 identities, and the property file beside it says 2, so it is"
    ):
        FaceCrops.open(rec)
    write_rows(
        names_of_rec(rec), folder
    )  # its names say whose the records are; property may be a neighbour's
    assert FaceCrops.open(rec).identities == folder.identities


def test_a_manifest_of_other_records_is_refused(rec, folder):
    wrong = FaceCrops(folder.paths, folder.keys, [0, 1] * 4 + [2], folder.identities, None, (12, 10))
    write_rows(names_of_rec(rec), wrong)
    with pytest.raises(ManifestError, match=r"train\.rec\.csv: does not name the 9 images of train"):
        FaceCrops.open(rec)


def test_a_tar_that_lacks_crops_of_its_manifest_is_refused(tmp_path, crops_folder, folder):
    write_rows(crops_folder / "manifest.csv", folder)
    (crops_folder / "bob" / "bob_0001.png").unlink()
    with tarfile.open(tmp_path / "a.tar", "w") as file:
        file.add(crops_folder, ".")
    with pytest.raises(
        ManifestError, match=r"a\.tar: lacks 1 of the 9 crops of its manifest, first bob/bob_0001"
    ):
        FaceCrops.open(tmp_path / "a.tar")


@pytest.mark.parametrize(("name", "error"), [("a.rec", RecordError), ("a.tar", TarError)])
def test_what_is_no_packed_set_is_refused_and_root_is_not_for_them(tmp_path, name, error):
    (tmp_path / name).write_bytes(b"<html>" * 100)
    with pytest.raises(error, match=name):
        FaceCrops.open(tmp_path / name)
    with pytest.raises(CropsError, match="root is for list files"):
        FaceCrops.open(tmp_path / name, root=tmp_path)
    with pytest.raises(CropsError, match="there is no such folder"):
        FaceCrops.open(tmp_path / f"other_{name}")


@given(data=st.data())
@settings(max_examples=40, deadline=None)
def test_no_damage_to_the_names_of_a_rec_gives_another_error_than_a_manifest_error(
    tmp_path_factory, damage, data
):
    path = tmp_path_factory.getbasetemp() / "fuzzed.rec"
    write_image_records(path, [(0, b"\xff\xd8\xff"), (1, b"\xff\xd8\xff")], size=(12, 10))
    names_of_rec(path).write_bytes(damage(data, b"path,identity\nAnn/1.jpg,Ann\nBob/1.jpg,Bob\n"))
    with suppress(ManifestError):
        assert len(open_pack(path).names) == 2
