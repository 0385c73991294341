"""A tiny training set and recipe: 32x32 crops of coloured noise, SphereFace-4 with 16 dimensions."""

import copy
from functools import partial

import cv2
import numpy as np
import pytest
import torch

from sphereface_plus import config
from sphereface_plus.data.crops import normalise
from sphereface_plus.losses import build_loss
from sphereface_plus.networks import build_network
from sphereface_plus.training.classifier import ClassifierLearner, build_learner
from sphereface_plus.training.energies import PrototypeEnergy
from tests.training.learners import ALONE

SIZE, IDENTITIES, IMAGES = 32, 6, 5

RECIPE = {
    "name": "tiny",
    "seed": 3,
    "data": {"path": "", "flip": True, "shift": 2},
    "network": {
        "name": "sphereface4",
        "embedding_size": 16,
        "input": {"template": "test_32x32", "height": SIZE, "width": SIZE},
    },
    "loss": {"kind": "a_softmax", "margin": 4, "lambda_gamma": 1.0},
    "mhe": {"weight": 1.0},
    "optimizer": {"learning_rate": 0.01, "milestones": [5]},
    "train": {
        **{"steps": 8, "batch_size": 8, "log_every": 1, "checkpoint_every": 3},
        **{"device": "cpu", "precision": "fp32"},  # the same on every machine
    },
}


def write_crops(folder, identities, images, size=SIZE):
    random = np.random.default_rng(0)
    for identity in range(identities):
        (folder / f"person_{identity}").mkdir(parents=True)
        face = random.integers(0, 256, (4, 4, 3))
        for image in range(images):
            crop = np.kron(face, np.ones((size // 4, size // 4, 1))) + random.normal(0, 30, (size, size, 3))
            path = folder / f"person_{identity}" / f"person_{identity}_{image + 1:04d}.png"
            cv2.imwrite(str(path), crop.clip(0, 255).astype(np.uint8))
    return folder


@pytest.fixture(autouse=True)
def _one_thread(_fixed_seed_and_threads):
    """A network this small is no faster on two threads, and much slower where they compete with others."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def crops(tmp_path_factory):
    """A folder identity/image of six identities with five crops each."""
    return write_crops(tmp_path_factory.mktemp("crops"), IDENTITIES, IMAGES)


@pytest.fixture
def make_crops(tmp_path):
    """Writes other training sets: make_crops(name, identities=..., images=..., size=...)."""
    return lambda name, identities=2, images=2, size=SIZE: write_crops(
        tmp_path / name, identities, images, size
    )


@pytest.fixture
def recipe(crops):
    """The tiny recipe as a tree; recipe(**{"train.steps": 4}) changes settings by their names."""

    def make(**changes):
        tree = copy.deepcopy(RECIPE)
        tree["data"]["path"] = str(crops)
        for key, value in changes.items():
            *groups, leaf = key.split(".")
            node = tree
            for group in groups:
                node = node.setdefault(group, {})
            node[leaf] = value
        return tree

    return make


@pytest.fixture
def tiny(recipe):
    """The tiny recipe as a validated config, with the same changes."""
    return lambda **changes: config.from_dict(recipe(**changes))


@pytest.fixture
def build(tiny):
    """build(**changed settings) -> a learner with the same initial weights each time."""

    def make(processes=ALONE, **changes) -> ClassifierLearner:
        settings: config.FaceConfig = tiny(**changes)
        torch.manual_seed(0)
        network = build_network(settings.network)
        loss = build_loss(
            settings.loss, num_identities=IDENTITIES, embedding_size=settings.network.embedding_size
        )
        energies = PrototypeEnergy(loss, settings.mhe, log_every=settings.train.log_every)
        prepare = partial(normalise, spec=settings.network.input)
        return build_learner(network, loss, energies, prepare, settings, processes)

    return make
