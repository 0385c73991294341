import tarfile

import numpy as np
import pytest
from PIL import Image

from sphereface_plus.data.image_folders import read_folders
from sphereface_plus.data.images import ImagesError


def colour(split, class_number, number):
    return (40 * class_number + 10, 20 * number + 5, 200 if split == "train" else 100)


@pytest.fixture
def folder(tmp_path):
    """Classes ant and Bee: 3 and 2 images in train, 1 and 1 in test, each of its own colour; other files."""
    root = tmp_path / "set"
    for split, counts in (("train", {"ant": 3, "Bee": 2}), ("test", {"ant": 1, "Bee": 1})):
        for class_number, (name, count) in enumerate(sorted(counts.items())):
            (root / split / name).mkdir(parents=True)
            for number in reversed(range(count)):
                image = Image.new("RGB", (6, 4), colour(split, class_number, number))
                image.save(root / split / name / f"{number:04d}.png")
    (root / "train" / "ant" / "notes.txt").write_text("no image")
    (root / "train" / "ant" / "._0000.png").write_bytes(b"what macOS leaves")
    (root / "train" / ".cache").mkdir()
    (root / "readme.png").write_bytes(b"no image of the set")
    return root


def pack(folder, *, within="", compression="gz"):
    path = folder.with_name("set.tar")
    with tarfile.open(path, f"w:{compression}") as tar:
        tar.add(folder, arcname=within or "./")
    return path


FORMS = {
    "folder": lambda folder: folder,
    "tar": lambda folder: pack(folder, compression=""),
    "tar.gz": pack,
    "tar.xz of a folder": lambda folder: pack(folder, within="CIFAR-10-images-master", compression="xz"),
}


@pytest.mark.parametrize("form", FORMS)
def test_images_are_ordered_by_class_and_name_in_every_form(folder, form):
    images = read_folders(FORMS[form](folder), "train")
    assert images.num_classes == 2
    assert images.labels.tolist() == [0, 0, 1, 1, 1]  # Bee, then ant
    expected = [colour("train", 0, 0), colour("train", 0, 1), *(colour("train", 1, n) for n in range(3))]
    assert images.images.shape == (5, 4, 6, 3)
    assert np.array_equal(images.images[:, 2, 3], expected)  # RGB
    assert read_folders(FORMS[form](folder), "test").labels.tolist() == [0, 1]


@pytest.mark.parametrize("form", FORMS)
def test_a_class_without_an_image_is_refused_by_name(folder, form):
    (folder / "test" / "Bee" / "0000.png").unlink()
    with pytest.raises(ImagesError, match="class Bee has no image in test/"):
        read_folders(FORMS[form](folder), "test")


@pytest.mark.parametrize("form", FORMS)
def test_a_class_that_one_split_lacks_does_not_shift_the_labels(folder, form):
    (folder / "test" / "Bee" / "0000.png").unlink()
    (folder / "test" / "Bee").rmdir()
    with pytest.raises(ImagesError, match="class Bee has no image in test/"):
        read_folders(FORMS[form](folder), "test")


@pytest.mark.parametrize("form", FORMS)
def test_an_image_of_another_size_is_named_with_both_sizes(folder, form):
    Image.new("RGB", (5, 4)).save(folder / "train" / "ant" / "0001.png")
    with pytest.raises(ImagesError, match=r"train/ant/0001.png is 4x5, train/Bee/0000.png is 4x6"):
        read_folders(FORMS[form](folder), "train")


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("content", [b"", b"\x89PNG cut"])
def test_a_damaged_image_is_named(folder, form, content):
    (folder / "train" / "ant" / "0002.png").write_bytes(content)
    with pytest.raises(ImagesError, match=r"train/ant/0002.png is empty, cut short or no image"):
        read_folders(FORMS[form](folder), "train")


def test_a_folder_without_the_split_is_refused(tmp_path):
    with pytest.raises(ImagesError, match="holds no image in train/<class>/"):
        read_folders(tmp_path, "train")


@pytest.mark.parametrize("compression", ["", "gz", "bz2", "xz"])
def test_a_file_that_is_no_tar_or_is_cut_short_is_refused(folder, compression):
    path = pack(folder, compression=compression)
    with tarfile.open(path) as tar:
        middle = tar.getmembers()[len(tar.getmembers()) // 2].offset
    data = path.read_bytes()
    # Within a member, and, where nothing is compressed, between two: tarfile takes that for the end.
    cuts = (len(data) // 2, len(data) - 9) if compression else (middle + 700, middle)
    for damaged in (b"no tar", *(data[:cut] for cut in cuts)):
        path.write_bytes(damaged)
        with pytest.raises(ImagesError, match=r"set.tar: is not a tar, or is damaged \("):
            read_folders(path, "train")
