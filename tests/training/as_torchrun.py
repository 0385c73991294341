"""A run in one of several processes, as torchrun starts it."""

import os

from sphereface_plus import config
from sphereface_plus.training.run import train


def go_on(recipe_file, folder, rank, world_size):
    """Trains what the recipe says in `folder`, from its last checkpoint on where there is one."""
    os.environ |= {"RANK": str(rank), "WORLD_SIZE": str(world_size)}
    train(config.load(recipe_file), folder, resume=True)
