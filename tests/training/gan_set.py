"""What the tests of generators share: a tiny CIFAR-10, a recipe, a learner."""

import copy

import numpy as np
import torch

from sphereface_plus import config
from sphereface_plus.networks import build_gan
from sphereface_plus.training.gan_learner import GanLearner
from tests.training.learners import ALONE

RECIPE = {
    "task": "gan",
    "name": "tiny",
    "seed": 4,
    "data": {"name": "cifar10", "path": ""},
    "network": {"width": 2, "noise_size": 5},
    "mhe": {"weight": 0.5},
    "n_dis": 2,
    "average": 0.9,
    "train": {
        **{"steps": 6, "batch_size": 8, "log_every": 1, "checkpoint_every": 4},
        **{"device": "cpu", "precision": "fp32"},
    },
}


def gan_config(**changes) -> config.GanConfig:
    """gan_config(**{"train.steps": 4, "mhe": {"weight": 1.0}}) -> the recipe with these settings."""
    tree = copy.deepcopy(RECIPE)
    for key, value in changes.items():
        group, _, leaf = key.partition(".")
        tree[group] = {**tree.get(group, {}), leaf: value} if leaf else value
    made = config.from_dict(tree)
    assert isinstance(made, config.GanConfig)
    return made


def gan_learner(settings: config.GanConfig, processes=ALONE) -> GanLearner:
    torch.manual_seed(settings.seed)
    return GanLearner(*build_gan(settings.network, image_size=32), settings, processes)


def batch_of(parts=1, size=8, seed=0):
    """Parts of uint8 images, the whole batch the same however it is cut."""
    images = np.random.default_rng(seed).integers(0, 256, (parts * size, 32, 32, 3), np.uint8)
    return [(part, None) for part in torch.from_numpy(images).split(size)]
