"""A run whose other process has gone, wherever it went, ends with one sentence."""

import os
from functools import partial
from unittest import mock

import pytest
import torch.distributed as dist
import yaml

from sphereface_plus import config, processes
from sphereface_plus.processes import OthersEndedError
from sphereface_plus.training import run
from tests.two_processes import in_two_processes


class Gone(Exception):
    pass


def go(*_, **__):
    dist.destroy_process_group()  # its connections close, as those of a process that was killed
    raise Gone


PLACES = {
    "before its learner is built": "training.face.build_learner",
    "before the disk is asked": "training.room.check",
    "in a checkpoint": "training.saving.held_in",
}


def train(recipe_file, folder, place, rank, world_size):
    os.environ |= {"RANK": str(rank), "WORLD_SIZE": str(world_size)}  # as torchrun does
    processes.SECONDS_TO_BE_ENDED = 0.0
    try:
        with mock.patch(f"sphereface_plus.{PLACES[place]}", go) if rank == 1 else mock.MagicMock():
            run.train(config.load(recipe_file), folder)
    except (OthersEndedError, Gone) as error:
        return rank, str(error)
    return rank, "trained"


@pytest.mark.slow
@pytest.mark.parametrize("place", PLACES)
def test_the_other_ends_with_the_sentence(place, recipe, tmp_path):
    path = tmp_path / "recipe.yaml"
    path.write_text(yaml.safe_dump(recipe(head="sharded", **{"train.steps": 1, "optimizer.milestones": []})))
    (tmp_path / "meeting").mkdir()
    said = dict(in_two_processes(partial(train, path, tmp_path / "run", place), tmp_path / "meeting"))
    assert said[0].startswith("another process of this torchrun does not answer any more (")
    assert said[1] == ""
