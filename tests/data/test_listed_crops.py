"""One place tells the forms of a set apart; the two readers on it agree about all that list their crops."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from data_prep.packing import pack
from eval.photos import find_images
from sphereface_plus.data.faces import CropsError, FaceCrops
from sphereface_plus.data.formats.lists import ListError
from sphereface_plus.data.formats.manifest import MANIFEST, ManifestRow, write_manifest
from sphereface_plus.data.listed_crops import listed_crops

NAMES = ["Ann/1.png", "Ann/2.png", "Bob/1.png"]


@pytest.fixture
def places(tmp_path) -> dict[str, Path]:
    folder = tmp_path / "crops"
    for number, name in enumerate(NAMES):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(folder / name), np.full((112, 96, 3), 80 * number, np.uint8))
    rows = [
        ManifestRow(n, n[:3], n, "detected", "sphereface_112x96", 112, 96, 0.9, *range(14)) for n in NAMES
    ]
    write_manifest(folder / MANIFEST, rows)
    (folder / "list.txt").write_text("".join(f"{name} {int(name[0] == 'B')}\n" for name in NAMES))
    for suffix in ("tar", "rec"):
        pack(folder, tmp_path / f"packed.{suffix}")
    return {
        "folder": folder,
        "manifest": folder / MANIFEST,
        "list": folder / "list.txt",
        "tar": tmp_path / "packed.tar",
        "rec": tmp_path / "packed.rec",
    }


@pytest.mark.parametrize("form", ["folder", "manifest", "list", "tar", "rec"])
def test_training_and_tests_read_the_same_crops_from_every_form(places, form):
    crops, images = FaceCrops.open(places[form]), find_images(places[form])
    assert crops.keys == list(images.files) == ["Ann/1", "Ann/2", "Bob/1"]
    assert [str(path) for path in crops.paths] == [str(path) for path in images.files.values()]
    assert crops.template == images.template == (None if form == "list" else "sphereface_112x96")
    listed = listed_crops(places[form])
    assert listed is not None
    assert listed.names == NAMES
    assert listed.identities == (["0", "0", "1"] if form == "list" else ["Ann", "Ann", "Bob"])


def test_a_folder_that_lists_nothing_is_left_to_its_reader(places):
    (places["folder"] / MANIFEST).unlink()
    assert listed_crops(places["folder"]) is None
    assert FaceCrops.open(places["folder"]).keys == sorted(find_images(places["folder"]).files)


def test_the_paths_of_a_list_are_relative_to_its_root(places, tmp_path):
    (tmp_path / "elsewhere.txt").write_text("Ann/1.png 0\n")
    listed = listed_crops(tmp_path / "elsewhere.txt", places["folder"])
    assert listed is not None
    assert listed.crops == [str(places["folder"] / "Ann/1.png")]


def test_what_is_not_there_or_not_a_list_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError):
        listed_crops(tmp_path / "nothing.rec")
    (tmp_path / "notes.txt").write_text("hello\n")
    with pytest.raises(ListError, match="expected `path label`"):
        listed_crops(tmp_path / "notes.txt")
    with pytest.raises(CropsError, match="expected `path label`"):
        FaceCrops.open(tmp_path / "notes.txt")
