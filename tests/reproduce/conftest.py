"""A table of two methods, and a few images to run it on."""

import subprocess
from types import SimpleNamespace

import pytest

from sphereface_plus import side_by_side
from sphereface_plus.config.recipes import recipes_folder
from sphereface_plus.reproduce import generated
from tests.forked import Forked
from tests.small_sets import write_idx

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
        return write_idx(folder, [*range(10)] * 2, [*range(10)], seed)

    return write


@pytest.fixture(scope="session")
def digits(write_digits, tmp_path_factory):
    return write_digits(tmp_path_factory.mktemp("mnist"), 0)


@pytest.fixture(scope="session")
def table(tmp_path_factory):
    path = tmp_path_factory.mktemp("tables") / "small.yaml"
    path.write_text(TABLE.format(recipe=recipes_folder() / "mnist" / "cnn6.yaml"))
    return path


@pytest.fixture
def forked(monkeypatch):
    """Runs and measurements are processes that have loaded torch already."""
    for module in (side_by_side, generated):
        monkeypatch.setattr(module, "subprocess", SimpleNamespace(Popen=Forked, STDOUT=subprocess.STDOUT))
