"""MNIST from its official idx files."""

from __future__ import annotations

from pathlib import Path

from torchvision.datasets import MNIST

from sphereface_plus.data.images import DeviceImages, ImagesError
from sphereface_plus.errors import memory_is_short


def open_mnist(path: str | Path, split: str) -> DeviceImages:
    """MNIST on the CPU: images uint8 grey (N, 28, 28, 1), labels the digits.

    path: the folder that holds MNIST/raw with the unpacked idx files. split: train or test.
    Raises ImagesError where they are missing or damaged.
    """
    try:
        mnist = MNIST(path, train=split == "train")
    except RuntimeError as error:
        if memory_is_short(error):
            raise
        if "not found" not in str(error):
            raise _damaged(path) from None
        raise ImagesError(
            f"{path}: holds no mnist; expected MNIST/raw/train-images-idx3-ubyte, "
            "train-labels-idx1-ubyte, t10k-images-idx3-ubyte and t10k-labels-idx1-ubyte"
        ) from None
    except (OSError, ValueError, TypeError, AssertionError, KeyError):  # what its reader of idx files raises
        raise _damaged(path) from None
    return DeviceImages(mnist.data[..., None], mnist.targets, 10)


def _damaged(path: str | Path) -> ImagesError:
    return ImagesError(f"{path}: an idx file in MNIST/raw is cut short or damaged; get it again")
