import pytest

from sphereface_plus.data.images import ImagesError
from sphereface_plus.data.mnist import open_mnist
from tests.small_sets import write_idx


@pytest.fixture
def digits(tmp_path):
    """Three images to train on and two to test on, in idx files."""
    return write_idx(tmp_path, [5, 0, 4], [7, 2])


def test_the_idx_files_are_read_as_grey_images_and_their_digits(digits):
    images = open_mnist(digits, "train")
    raw = (digits / "MNIST" / "raw" / "train-images-idx3-ubyte").read_bytes()[16:]
    assert images.images.shape == (3, 28, 28, 1)
    assert images.images.numpy().tobytes() == raw
    assert images.labels.tolist() == [5, 0, 4]
    assert images.num_classes == 10
    assert open_mnist(digits, "test").labels.tolist() == [7, 2]


def test_a_missing_set_is_named_with_the_files_that_were_expected(tmp_path):
    with pytest.raises(ImagesError, match="holds no mnist; expected MNIST/raw/train-images-idx3-ubyte"):
        open_mnist(tmp_path, "train")


@pytest.mark.parametrize("file", ["t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"])
@pytest.mark.parametrize("keep", [0, 3, 9, -1])
def test_a_file_cut_short_is_refused(digits, file, keep):
    path = digits / "MNIST" / "raw" / file
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(ImagesError, match="an idx file in MNIST/raw is cut short or damaged"):
        open_mnist(digits, "test")


def test_images_in_the_place_of_labels_are_refused(digits):
    raw = digits / "MNIST" / "raw"
    (raw / "t10k-labels-idx1-ubyte").write_bytes((raw / "t10k-images-idx3-ubyte").read_bytes())
    with pytest.raises(ImagesError, match="cut short or damaged"):
        open_mnist(digits, "test")


@pytest.mark.real_data
def test_mnist_has_its_60000_digits(shared_data):
    images = open_mnist(shared_data / "mnist", "train")
    assert images.images.shape == (60_000, 28, 28, 1)
    assert images.labels.bincount().tolist() == [
        5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949,
    ]  # fmt: skip
