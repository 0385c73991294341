"""A table of two methods, and a few images to run it on."""

import numpy as np
import pytest

from sphereface_plus.config.recipes import recipes_folder

TABLE = """
title: A small figure
recipe: {recipe}
rows:
  Baseline: []
  MHE: [mhe.hidden.weight=10, mhe.output.weight=1]
columns:
  All digits: {{}}
  Digit 3: {{of_class: 3}}
paper:
  MHE: {{All digits: 2.0}}
budgets:
  small:
    seeds: 1
    set: ["network.widths=[4, 4, 4]", train.steps=3, "optimizer.milestones=[]", optimizer.warmup_steps=1,
          train.batch_size=10, train.log_every=1, test_every=3, train.device=cpu]
    says: It is small.
plot: features
energies: true
"""


@pytest.fixture(scope="session")
def write_digits():
    """write_digits(folder, seed) -> the folder, with twenty images to train on and ten to test on, in MNIST's
    idx files."""

    def write(folder, seed):
        rng, raw = np.random.default_rng(seed), folder / "MNIST" / "raw"
        raw.mkdir(parents=True)
        for prefix, repeats in (("train", 2), ("t10k", 1)):
            labels = list(range(10)) * repeats
            pixels = rng.integers(0, 256, (len(labels), 28, 28), dtype=np.uint8)
            header = np.array([0x803, len(labels), 28, 28], dtype=">i4").tobytes()
            (raw / f"{prefix}-images-idx3-ubyte").write_bytes(header + pixels.tobytes())
            header = np.array([0x801, len(labels)], dtype=">i4").tobytes()
            (raw / f"{prefix}-labels-idx1-ubyte").write_bytes(header + bytes(labels))
        return folder

    return write


@pytest.fixture(scope="session")
def digits(write_digits, tmp_path_factory):
    return write_digits(tmp_path_factory.mktemp("mnist"), 0)


@pytest.fixture(scope="session")
def table(tmp_path_factory):
    path = tmp_path_factory.mktemp("tables") / "small.yaml"
    path.write_text(TABLE.format(recipe=recipes_folder() / "mnist" / "cnn6.yaml"))
    return path
