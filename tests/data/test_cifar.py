import hashlib
import pickle
import tarfile

import numpy as np
import pytest
import torch
from PIL import Image

from sphereface_plus.data import cifar
from sphereface_plus.data.cifar import open_cifar
from sphereface_plus.data.images import ImagesError

NAMES = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]


def write_folder(root, classes, size=32):
    for split in ("train", "test"):
        for number, name in enumerate(classes):
            (root / split / name).mkdir(parents=True)
            Image.new("RGB", (size, size), (number, 0, 0)).save(root / split / name / "0000.png")
    return root


@pytest.fixture
def official(tmp_path, monkeypatch):
    """Stand-ins for the official files, 4 images each, with MD5 sums to match: folder, pixels, labels."""

    def write(name):
        base, rng = cifar.OFFICIAL[name], np.random.default_rng(0)
        root = tmp_path / "official"
        (root / base.base_folder).mkdir(parents=True)
        pixels = rng.integers(0, 256, (4, 3, 32, 32), dtype=np.uint8)
        labels = [3, 1, 9, 0]
        key = "labels" if name == "cifar10" else "fine_labels"

        def put(file_name, content):
            data = pickle.dumps(content)
            (root / base.base_folder / file_name).write_bytes(data)
            return hashlib.md5(data).hexdigest()

        for part in ("train_list", "test_list"):
            batch = {"data": pixels.reshape(4, -1), key: labels}
            monkeypatch.setattr(base, part, [(n, put(n, batch)) for n, _ in getattr(base, part)])
        meta = put(base.meta["filename"], {base.meta["key"]: ["a name"]})
        monkeypatch.setattr(base, "meta", base.meta | {"md5": meta})
        return root, pixels.transpose(0, 2, 3, 1), labels

    return write


@pytest.mark.parametrize(("name", "files"), [("cifar10", 5), ("cifar100", 1)])
def test_the_official_files_are_read_from_their_folder_and_from_the_one_above(official, name, files):
    root, pixels, labels = official(name)
    for path in (root, root / cifar.OFFICIAL[name].base_folder):
        images = open_cifar(name, path, "train")
        assert np.array_equal(images.images, np.tile(pixels, (files, 1, 1, 1)))
        assert images.labels.tolist() == labels * files
        assert images.labels.dtype == torch.int64
        assert np.array_equal(open_cifar(name, path, "test").images, pixels)


@pytest.mark.parametrize("name", ["cifar10", "cifar100"])
def test_a_pickle_with_another_md5_sum_is_refused_and_never_read(official, name):
    root, _, _ = official(name)
    file = root / cifar.OFFICIAL[name].base_folder / cifar.OFFICIAL[name].test_list[0][0]

    class Evil:
        def __reduce__(self):
            return pytest.fail, ("the pickle was read",)

    file.write_bytes(pickle.dumps(Evil()))
    with pytest.raises(ImagesError, match=r"is not the official one \(its MD5 sum differs\); unpack https"):
        open_cifar(name, root, "test")


def test_a_folder_of_images_has_the_official_labels(tmp_path):
    images = open_cifar("cifar10", write_folder(tmp_path / "set", NAMES), "test")
    assert images.images.shape == (10, 32, 32, 3)
    assert images.images[:, 0, 0, 0].tolist() == images.labels.tolist() == list(range(10))


def test_a_set_of_other_classes_is_refused(tmp_path):
    path = write_folder(tmp_path / "set", NAMES)
    with pytest.raises(ImagesError, match="holds 10 classes, cifar100 has 100; it is another set"):
        open_cifar("cifar100", path, "train")


def test_images_of_another_size_are_refused(tmp_path):
    with pytest.raises(ImagesError, match="its images are 28x28, those of cifar10 are 32x32"):
        open_cifar("cifar10", write_folder(tmp_path / "set", NAMES, size=28), "train")


@pytest.mark.parametrize("name", ["cifar10", "cifar100"])
def test_a_missing_set_is_named_with_what_was_expected(tmp_path, name):
    for path in (tmp_path, tmp_path / "nowhere"):
        message = rf"holds no {name}; expected {cifar.OFFICIAL[name].base_folder}, as https.* unpacks, or"
        with pytest.raises(ImagesError, match=message):
            open_cifar(name, path, "train")


def test_the_packed_official_archive_is_to_be_unpacked_first(tmp_path):
    path = tmp_path / "cifar-10-python.tar.gz"
    tarfile.open(path, "w:gz").close()
    with pytest.raises(ImagesError, match="unpack the official archive and give the folder"):
        open_cifar("cifar10", path, "train")


@pytest.mark.real_data
def test_the_jpeg_tar_of_cifar_10_is_whole(shared_data):
    images = open_cifar("cifar10", shared_data / "cifar10-jpeg.tar.gz", "test")
    assert images.images.shape == (10_000, 32, 32, 3)
    assert images.labels.bincount().tolist() == [1_000] * 10
    mean = images.images.float().mean((0, 1, 2))
    of_cifar_10 = torch.tensor([126.0, 123.7, 114.9])
    torch.testing.assert_close(mean, of_cifar_10, atol=0.5, rtol=0)
