import shutil
from itertools import islice

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision import transforms

from sphereface_plus.data.batches import BatchSampler, in_order, loader
from sphereface_plus.data.imagenet import ImageNet, check_splits
from sphereface_plus.data.images import ImagesError

# Python 3.12 warns of any fork in a process with threads, which torch has; a DataLoader's workers are forks.
pytestmark = pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")


@pytest.fixture
def photographs(tmp_path):
    """Two classes of photographs of different sizes, one of them grey."""
    rng = np.random.default_rng(0)
    for number, (name, height, width) in enumerate(
        [("n02", 60, 80), ("n01", 70, 50), ("n01", 90, 64), ("n02", 64, 64)]
    ):
        (tmp_path / name).mkdir(exist_ok=True)
        pixels = rng.integers(0, 256, (height // 10, width // 10, 3), dtype=np.uint8)
        photo = Image.fromarray(pixels).resize((width, height))
        photo.convert("L" if number == 3 else "RGB").save(tmp_path / name / f"{number}.JPEG")
    return tmp_path


def open_photo(path):
    with Image.open(path) as file:
        return file.convert("RGB")


def test_classes_are_the_sorted_folders(photographs):
    images = ImageNet(photographs, training=False, size=32)
    assert images.classes == ["n01", "n02"]
    assert images.num_classes == 2
    assert images.labels == [0, 0, 1, 1]


def test_a_test_crop_is_the_middle_of_the_scaled_photograph(photographs):
    images = ImageNet(photographs, training=False, size=28)
    usual = transforms.Compose([transforms.Resize(32), transforms.CenterCrop(28)])  # 256 and 224, an eighth
    for index, path in enumerate(images.paths):
        crop, label = images[index, index]
        assert crop.shape == (28, 28, 3)
        assert np.array_equal(crop, np.asarray(usual(open_photo(path))))
        assert label == images.labels[index]


def test_a_training_crop_is_one_of_torchvisions_and_depends_on_seed_and_position_alone(photographs):
    images = ImageNet(photographs, training=True, seed=3, size=28)
    state = torch.get_rng_state()
    crops = [images[1, position][0] for position in range(8)]
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(9)
    assert all(np.array_equal(images[1, position][0], crops[position]) for position in reversed(range(8)))
    assert len({crop.tobytes() for crop in crops}) == 8
    other = ImageNet(photographs, training=True, seed=4, size=28)
    assert not np.array_equal(other[1, 0][0], crops[0])
    whole = np.asarray(open_photo(images.paths[1]), dtype=float)
    assert all(abs(crop.mean() - whole.mean()) < 60 for crop in crops)


@pytest.mark.parametrize("workers", [0, 2])
def test_a_resumed_loader_repeats_the_uninterrupted_one(photographs, workers):
    images = ImageNet(photographs, training=True, size=28)
    whole = list(islice(loader(images, BatchSampler(4, 3, seed=0)), 4))
    resumed = list(islice(loader(images, BatchSampler(4, 3, seed=0, start_step=2), workers=workers), 2))
    for (crops, labels), (crops_again, labels_again) in zip(whole[2:], resumed, strict=True):
        assert crops.dtype == torch.uint8
        assert crops.shape == (3, 28, 28, 3)
        assert torch.equal(crops, crops_again)
        assert torch.equal(labels, labels_again)


def test_in_order_the_loader_shows_each_photograph_once(photographs):
    images = ImageNet(photographs, training=False, size=28)
    batches = list(loader(images, in_order(4, 3), workers=1))
    assert [labels.tolist() for _, labels in batches] == [[0, 0, 1], [1]]
    assert np.array_equal(batches[1][0][0], images[3, 0][0])


def test_a_missing_folder_and_an_empty_class_are_refused(photographs):
    with pytest.raises(ImagesError, match="nowhere: expected photographs in class folders"):
        ImageNet(photographs / "nowhere", training=True)
    (photographs / "n03").mkdir()
    with pytest.raises(ImagesError, match="n03"):
        ImageNet(photographs, training=True)


def test_splits_without_a_folder_a_photograph_or_the_same_classes_are_refused(photographs, tmp_path_factory):
    root = tmp_path_factory.mktemp("root")
    with pytest.raises(
        ImagesError, match=r"root0: holds no imagenet; expected train/<class>/ and val/<class>/"
    ):
        check_splits(root)
    for split in ("train", "val"):
        shutil.copytree(photographs, root / split)
    check_splits(root)
    (root / "val" / "n02").rename(root / "val" / "n03")
    with pytest.raises(ImagesError, match="root0: train and val do not have the same class folders"):
        check_splits(root)
    (root / "train" / "n04").mkdir()
    with pytest.raises(ImagesError, match="n04"):
        check_splits(root)


def test_a_damaged_photograph_is_named(photographs):
    path = photographs / "n02" / "0.JPEG"
    path.write_bytes(path.read_bytes()[:200])
    images = ImageNet(photographs, training=True, size=28)
    with pytest.raises(ImagesError, match=r"n02/0.JPEG: cannot be read as an image \("):
        images[2, 0]
