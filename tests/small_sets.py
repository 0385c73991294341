"""Small things that several test files need: the tree of a recipe, a set of digits."""

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
