"""A process of a torchrun that is killed: the others end soon, and torchrun may begin all again."""

import os
import subprocess
import sys
from functools import partial

import pytest
import torch
import yaml

from sphereface_plus import checkpoint
from tests.training.as_torchrun import go_on
from tests.two_processes import in_two_processes

SETTINGS = {"head": "sharded", "mhe.weight": 1.0, "optimizer.milestones": [], "train.checkpoint_every": 2}


@pytest.fixture
def recipe_file(recipe, tmp_path):
    path = tmp_path / "recipe.yaml"
    path.write_text(yaml.safe_dump(recipe(**SETTINGS)))
    return path


@pytest.fixture
def torchrun(recipe_file, repository):
    """torchrun(folder, restarts): the ended torchrun whose second process is killed before update 5, once."""

    def run(folder, restarts):
        command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
        command += ["--max-restarts", str(restarts), "-m", "tests.training.dying", "train", str(recipe_file)]
        return subprocess.run(
            [*command, "--resume", "--out", str(folder)],
            cwd=repository,
            env=os.environ | {"OMP_NUM_THREADS": "1"},
            timeout=250,  # in which they have to end
            capture_output=True,
            text=True,
        )

    return run


@pytest.mark.slow
def test_torchrun_begins_again_from_the_last_checkpoint_where_a_process_was_killed(
    torchrun, recipe_file, tmp_path
):
    ended = torchrun(tmp_path / "killed", 1)
    assert ended.returncode == 0, ended.stderr
    assert "the run goes on at step 4, from last.pt" in ended.stderr
    (tmp_path / "meeting").mkdir()
    in_two_processes(partial(go_on, recipe_file, tmp_path / "whole"), tmp_path / "meeting")
    killed, whole = (checkpoint.load(tmp_path / name) for name in ("killed", "whole"))
    for part in ("network", "loss"):
        assert all(torch.equal(killed[part][name], value) for name, value in whole[part].items()), part


@pytest.mark.slow
def test_the_others_end_with_a_sentence_where_a_process_was_killed(torchrun, tmp_path):
    ended = torchrun(tmp_path / "killed", 0)
    assert ended.returncode != 0
    assert "another process of this torchrun does not answer any more" in ended.stderr
    assert checkpoint.load(tmp_path / "killed")["step"] == 4
