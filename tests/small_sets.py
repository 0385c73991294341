"""Small things that several test files need: the tree of a recipe, a set of digits."""

import cv2
import numpy as np


def small_recipe(**others):
    """The tree of a recipe of faces; `others` are further settings, or take the place of these."""
    return {
        "name": "test",
        "data": {"path": "crops"},
        "network": {"name": "sphereface4", "embedding_size": 16},
        "loss": {"kind": "softmax"},
        "optimizer": {"learning_rate": 0.1},
        "train": {"steps": 10, "batch_size": 2},
        **others,
    }


def write_idx(folder, train, test, seed=0):
    """Random images of these labels in MNIST's idx files; returns the folder."""
    rng, raw = np.random.default_rng(seed), folder / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for prefix, labels in (("train", train), ("t10k", test)):
        pixels = rng.integers(0, 256, (len(labels), 28, 28), dtype=np.uint8)
        header = np.array([0x803, len(labels), 28, 28], dtype=">i4").tobytes()
        (raw / f"{prefix}-images-idx3-ubyte").write_bytes(header + pixels.tobytes())
        header = np.array([0x801, len(labels)], dtype=">i4").tobytes()
        (raw / f"{prefix}-labels-idx1-ubyte").write_bytes(header + bytes(labels))
    return folder


def write_cifar(root, **counts):
    """<split>/<class>/ with so many images of each of ten colours, one a class; returns the folder.

    counts: of each split, as train=6, test=2.
    """
    random = np.random.default_rng(0)
    for label in range(10):
        colour = random.integers(0, 256, 3)
        for split, count in counts.items():
            folder = root / split / f"class{label}"
            folder.mkdir(parents=True)
            for number in range(count):
                pixels = (colour + random.normal(0, 20, (32, 32, 3))).clip(0, 255).astype(np.uint8)
                cv2.imwrite(str(folder / f"{number}.png"), pixels)
    return root
