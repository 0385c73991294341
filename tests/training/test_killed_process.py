"""A process of a torchrun that is killed: the others end with a sentence, and torchrun begins all again."""

import os
import subprocess
import sys
from functools import partial

import pytest
import torch
import yaml

from sphereface_plus import checkpoint, config
from sphereface_plus.training.run import train
from tests.two_processes import in_two_processes

SETTINGS = {"head": "sharded", "mhe.weight": 1.0, "optimizer.milestones": [], "train.checkpoint_every": 2}


def whole_run(recipe_file, folder, rank, world_size):
    os.environ |= {"RANK": str(rank), "WORLD_SIZE": str(world_size)}  # as torchrun does
    train(config.load(recipe_file), folder, resume=True)


@pytest.mark.slow
def test_torchrun_begins_again_from_the_last_checkpoint_where_a_process_was_killed(
    recipe, tmp_path, repository
):
    """The second process is killed before update 5, once."""
    path = tmp_path / "recipe.yaml"
    path.write_text(yaml.safe_dump(recipe(**SETTINGS)))
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    command += ["--max-restarts", "1", "-m", "tests.training.dying", "train", str(path), "--resume"]
    ended = subprocess.run(
        [*command, "--out", str(tmp_path / "killed")],
        cwd=repository,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        timeout=250,  # in which they have to end
        capture_output=True,
        text=True,
    )
    assert ended.returncode == 0, ended.stderr
    assert "another process of this torchrun does not answer any more" in ended.stderr
    assert "the run goes on at step 4, from last.pt" in ended.stderr

    (tmp_path / "meeting").mkdir()
    in_two_processes(partial(whole_run, path, tmp_path / "whole"), tmp_path / "meeting")
    killed, whole = (checkpoint.load(tmp_path / name) for name in ("killed", "whole"))
    for part in ("network", "loss"):
        assert all(torch.equal(killed[part][name], value) for name, value in whole[part].items()), part
