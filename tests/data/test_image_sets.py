import numpy as np
import pytest

from sphereface_plus.data.image_sets import open_images
from sphereface_plus.data.images import ImagesError
from sphereface_plus.data.selection import choose_per_class, imbalanced_counts


def test_an_unknown_set_is_refused_with_the_known_ones(tmp_path):
    with pytest.raises(ImagesError, match="svhn: is not a set of small images; expected one of cifar10, "):
        open_images("svhn", tmp_path, "train")


def test_an_unknown_split_is_refused_with_the_known_ones(tmp_path):
    with pytest.raises(ImagesError, match="val: is not a split of mnist; expected one of train, test"):
        open_images("mnist", tmp_path, "val")


def test_a_class_without_an_image_is_refused(tmp_path):
    raw = tmp_path / "MNIST" / "raw"
    raw.mkdir(parents=True)
    labels = [0, 1, 2, 3, 5, 6, 7, 8, 9]
    for prefix in ("train", "t10k"):
        header = np.array([0x803, len(labels), 28, 28], dtype=">i4").tobytes()
        (raw / f"{prefix}-images-idx3-ubyte").write_bytes(header + bytes(len(labels) * 784))
        header = np.array([0x801, len(labels)], dtype=">i4").tobytes()
        (raw / f"{prefix}-labels-idx1-ubyte").write_bytes(header + bytes(labels))
    with pytest.raises(ImagesError, match="class 4 has no image in train"):
        open_images("mnist", tmp_path, "train")


@pytest.mark.real_data
def test_imbalanced_mnist_has_100_zeros_of_54177_digits(shared_data):
    images = open_images("mnist", shared_data / "mnist", "train")
    available = images.labels.bincount().tolist()
    counts = imbalanced_counts("mnist", "single", available)
    imbalanced = images.subset(choose_per_class(images.labels.tolist(), counts, seed=0))
    assert imbalanced.labels.bincount().tolist() == [100, *available[1:]]
    assert len(imbalanced) == 54_177
