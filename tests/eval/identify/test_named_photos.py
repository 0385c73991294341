"""Photos and whose they are: the forms that they come in, and what is refused; copies of images."""

from __future__ import annotations

import re

import cv2
import numpy as np
import pytest

from data_prep.packing import pack
from eval.errors import PhotosError
from eval.identify.copies import copies_in
from eval.identify.named_photos import named_photos
from sphereface_plus.data.formats.bins import write_bin
from sphereface_plus.data.formats.embeddings import write_embeddings


@pytest.fixture
def crops(tmp_path):
    """Ann's two and Ben's one crop in folders."""
    for number, name in enumerate(("Ann/1", "Ann/2", "Ben/1")):
        path = tmp_path / "crops" / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), np.full((112, 96, 3), 20 * number, np.uint8))
    return tmp_path / "crops"


def test_folders_lists_packs_and_embeddings_name_the_same_people(crops, tmp_path):
    pack(crops, tmp_path / "all.tar")
    pack(crops, tmp_path / "all.rec")
    (crops / "list.txt").write_text("Ann/1.png Ann\nAnn/2.png Ann\nBen/1.png Ben\n")
    write_embeddings(tmp_path / "all.npz", ["Ann/1", "Ann/2", "Ben/1"], np.eye(3, dtype=np.float32), {})
    for place in (
        crops,
        tmp_path / "all.tar",
        crops / "list.txt",
        tmp_path / "all.npz",
        tmp_path / "all.rec",
    ):
        found = named_photos("gallery", place)
        assert found.people == ["Ann", "Ann", "Ben"]
        assert found.keys == ["Ann/1", "Ann/2", "Ben/1"]
        assert (found.images is None) == (place.suffix == ".npz")


def test_distractors_need_no_names(crops):
    cv2.imwrite(str(crops / "loose.png"), np.zeros((112, 96, 3), np.uint8))
    found = named_photos("distractors", crops)
    assert list(zip(found.keys, found.people, strict=True)) == [
        ("Ann/1", "Ann"),
        ("Ann/2", "Ann"),
        ("Ben/1", "Ben"),
        ("loose", ""),
    ]
    assert "1 image beside the people's folders left out" in named_photos("gallery", crops).notes[0]


def test_crops_of_a_bin_are_nobodys(crops, tmp_path):
    image = (crops / "Ann" / "1.png").read_bytes()
    write_bin(tmp_path / "pairs.bin", [(image, image)], [True])
    assert named_photos("distractors2", tmp_path / "pairs.bin").people == [""]  # one image, in two places
    with pytest.raises(PhotosError, match=r"a \.bin does not say whose its crops are; give the crops"):
        named_photos("probes", tmp_path / "pairs.bin")


def test_what_is_missing_double_or_empty_is_refused_by_name(crops, tmp_path):
    def refused(role, place) -> str:
        with pytest.raises(PhotosError) as raised:
            named_photos(role, place)
        return str(raised.value)

    assert "there are no such probes; name a folder of photos or crops" in refused("probes", tmp_path / "no")
    (crops / "list.txt").write_text("Ann/1.png Ann\nAnn/9.png Ann\n")
    assert "names 1 image of 2 that cannot be found (Ann/9.png)" in refused("probes", crops / "list.txt")
    (crops / "list.txt").write_text("Ann/1.png Ann\nAnn/1.png Ben\n")
    message = "has 1 photo twice under one name, suffixes aside (Ann/1)"
    assert message in refused("gallery", crops / "list.txt")
    (crops / "Ann" / "1.jpg").write_bytes((crops / "Ann" / "1.png").read_bytes())
    assert message in refused("gallery", crops)
    assert re.search(r"twice under one name, .*1\.jpg and .*1\.png", refused("distractors", crops))
    (tmp_path / "empty").mkdir()
    assert "found neither (gallery)" in refused("gallery", tmp_path / "empty")
    assert "holds no image; distractors: one at least is needed" in refused("distractors", tmp_path / "empty")


def test_copies_are_found_by_their_bytes_and_only_they_are_read(crops, tmp_path):
    files = [crops / "Ann" / "1.png", crops / "Ben" / "1.png"]
    copy, other = tmp_path / "copy.png", tmp_path / "other.png"
    copy.write_bytes(files[1].read_bytes())
    other.write_bytes(bytes(len(files[1].read_bytes())))
    assert copies_in(files, [other, copy, files[0]]) == {1: [1], 2: [0]}
    assert copies_in(np.eye(2), np.array([[0.0, 1.0], [1.0, 1.0]])) == {0: [1]}
