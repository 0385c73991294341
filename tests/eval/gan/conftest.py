"""A tiny CIFAR, runs of a generator on it, and a classifier of it."""

import copy
from functools import partial

import pytest
from click.testing import CliRunner

from eval.__main__ import main
from sphereface_plus import checkpoint, config
from sphereface_plus.training.run import train
from tests.small_sets import write_cifar
from tests.training.gan_set import gan_config

CLASSIFIER = {
    "task": "image",
    "name": "tiny_classifier",
    "data": {"name": "cifar10"},
    "network": {"name": "cnn6", "widths": [4, 4, 8], "embedding_size": 8},
    "optimizer": {"learning_rate": 0.02},
    "train": {"steps": 3, "batch_size": 20, "log_every": 1, "checkpoint_every": 3, "device": "cpu"},
    "test_every": 3,
}


@pytest.fixture(scope="session")
def cifar(tmp_path_factory):
    return write_cifar(tmp_path_factory.mktemp("cifar"), train=10, test=3)


@pytest.fixture(scope="session")
def classifier(cifar, tmp_path_factory):
    """The run folder of a classifier."""
    tree = copy.deepcopy(CLASSIFIER)
    tree["data"]["path"] = str(cifar)
    return train(config.from_dict(tree), tmp_path_factory.mktemp("classifier") / "run").folder


@pytest.fixture(scope="session")
def generator(cifar, tmp_path_factory):
    """generator("mhe", **{"mhe.weight": 1.0}) -> the run folder of a generator, trained once."""
    made, root = {}, tmp_path_factory.mktemp("generators")

    def run(name, **changes):
        if name not in made:
            settings = gan_config(**{"data.path": str(cifar)} | changes)
            made[name] = train(settings, root / name).folder
            vivid(made[name] / "checkpoints" / "last.pt")
        return made[name]

    return run


def vivid(file):
    """After so few steps all images are the same grey: contrast makes them differ."""
    payload = checkpoint.load(file)
    payload["average"]["image.weight"] *= 1000
    checkpoint.save(file, {name: value for name, value in payload.items() if name != "format"})


@pytest.fixture
def gan(measure, tmp_path):
    """gan(run, ..., code=0, out=...) -> what the command says, of 60 images of each run."""
    return partial(measure, out=tmp_path / "out")


@pytest.fixture(scope="session")
def measure(cifar, classifier):
    """As gan, with a folder to write into."""

    def call(*arguments, out, code=0, extractor=classifier, samples=60):
        given = ["gan", "--real", cifar, "--samples", samples, "--out", out]
        given += [] if extractor is None else ["--extractor", extractor]
        result = CliRunner().invoke(main, list(map(str, [*given, "--device", "cpu", *arguments])))
        assert result.exit_code == code, (result.output, result.exception)
        return result.output

    return call
