"""Folders of images and sets of crops as squares of one size."""

import cv2
import numpy as np
import pytest

from data_prep.packing import pack
from sphereface_plus.data.formats.manifest import MANIFEST, ManifestRow, write_manifest
from sphereface_plus.data.images import ImagesError
from sphereface_plus.data.squares import square, squares_of_faces, squares_of_folder


@pytest.fixture
def folder(tmp_path):
    """Three images of other sizes and kinds, one of them deeper, beside what is none."""
    random, root = np.random.default_rng(0), tmp_path / "images"
    (root / "deeper").mkdir(parents=True)
    (root / ".hidden").mkdir()
    for name, shape in (("b.png", (20, 30, 3)), ("deeper/a.png", (16, 16)), (".hidden/c.png", (9, 9, 3))):
        cv2.imwrite(str(root / name), random.integers(0, 256, shape, np.uint8))
    cv2.imwrite(str(root / "deeper" / "z.png"), random.integers(0, 256, (40, 8, 4), np.uint8))
    (root / "notes.txt").write_text("no image")
    return root


def test_every_image_below_a_folder_is_taken_as_rgb_of_one_size(folder):
    squares = squares_of_folder(folder, 16)
    assert squares.names == ["b.png", "deeper/a.png", "deeper/z.png"]
    assert squares.images.shape == (3, 16, 16, 3)
    grey = cv2.imread(str(folder / "deeper" / "a.png"))
    assert np.array_equal(squares.images[1].numpy(), grey[..., ::-1])  # of this size already, and grey
    assert squares.notes == ["1 image smaller than 16x16 were enlarged"]


def test_the_middle_square_is_cut_out_and_shrunk_by_means():
    image = np.zeros((4, 8, 3), np.uint8)
    image[:, 2:6] = np.arange(48, dtype=np.uint8).reshape(4, 4, 3) * 4
    made = square(image, 2)
    expected = image[:, 2:6].reshape(2, 2, 2, 2, 3).mean(axis=(1, 3))
    assert np.abs(made - expected).max() <= 0.5
    assert square(np.zeros((5, 9, 3), np.uint8), 8).shape == (8, 8, 3)


def test_what_cannot_be_used_is_told_by_name(folder, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(ImagesError, match=r"empty: holds 0 images; a generator needs two, and many more"):
        squares_of_folder(tmp_path / "empty", 8)
    with pytest.raises(ImagesError, match=r"notes.txt: is no folder; data.name folder takes a folder"):
        squares_of_folder(folder / "notes.txt", 8)
    (folder / "a_bad.png").write_bytes(b"not an image")
    with pytest.raises(ImagesError, match=r"a_bad.png: .*; make it again or take it out of the folder"):
        squares_of_folder(folder, 8)


def test_crops_are_taken_from_folders_and_lists_without_their_people(tmp_path):
    random = np.random.default_rng(1)
    for person in ("ann", "bob"):
        (tmp_path / person).mkdir()
        for number in range(2):
            crop = random.integers(0, 256, (112, 96, 3), np.uint8)
            cv2.imwrite(str(tmp_path / person / f"{number}.png"), crop)
    of_folder = squares_of_faces(tmp_path, 32)
    assert of_folder.images.shape == (4, 32, 32, 3)
    crop = cv2.imread(str(tmp_path / "bob" / "0.png"))[..., ::-1]
    assert np.array_equal(of_folder.images[2].numpy(), square(crop, 32))
    (tmp_path / "list.txt").write_text("bob/0.png 0\nann/1.png 1\n")
    of_list = squares_of_faces(tmp_path / "list.txt", 32)
    assert np.array_equal(of_list.images[0].numpy(), square(crop, 32))


def test_a_manifest_and_packed_sets_have_the_squares_of_their_crops(tmp_path):
    random, folder = np.random.default_rng(2), tmp_path / "crops"
    folder.mkdir()
    crops = {f"{number}.png": random.integers(0, 256, (112, 96, 3), np.uint8) for number in range(3)}
    for name, crop in crops.items():
        cv2.imwrite(str(folder / name), crop)
    row = "detected", "sphereface_112x96", 112, 96, 0.9, *range(14)
    write_manifest(folder / MANIFEST, [ManifestRow(name, "ann", name, *row) for name in crops])
    expected = np.stack([square(crop[..., ::-1], 32) for crop in crops.values()])
    for form in ("crops/manifest.csv", "packed.tar", "packed.rec"):
        if form.startswith("packed"):
            pack(folder, tmp_path / form)
        squares = squares_of_faces(tmp_path / form, 32)
        assert np.array_equal(squares.images.numpy(), expected), form
        assert len(set(squares.names)) == 3, form
