"""A process of a torchrun that is killed: the others end soon, and torchrun may begin all again."""

import os
import subprocess
import sys

import pytest
import torch
import yaml

from sphereface_plus import checkpoint

SETTINGS = {"head": "sharded", "mhe.weight": 1.0, "optimizer.milestones": [], "train.checkpoint_every": 2}


@pytest.fixture
def torchrun(recipe, tmp_path, repository):
    """torchrun(folder, restarts): the ended torchrun whose second process is killed before update 5, once."""
    path = tmp_path / "recipe.yaml"
    path.write_text(yaml.safe_dump(recipe(**SETTINGS)))

    def run(folder, restarts, module="tests.training.dying"):
        command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
        command += ["--max-restarts", str(restarts), "-m", module, "train", str(path), "--resume"]
        return subprocess.run(
            [*command, "--out", str(folder)],
            cwd=repository,
            env=os.environ | {"OMP_NUM_THREADS": "1"},
            timeout=250,  # in which they have to end
            capture_output=True,
            text=True,
        )

    return run


@pytest.mark.slow
def test_torchrun_begins_again_from_the_last_checkpoint_where_a_process_was_killed(torchrun, tmp_path):
    ended = torchrun(tmp_path / "killed", 1)
    assert ended.returncode == 0, ended.stderr
    assert "the run goes on at step 4, from last.pt" in ended.stderr
    assert torchrun(tmp_path / "whole", 0, "sphereface_plus").returncode == 0
    killed, whole = (checkpoint.load(tmp_path / name) for name in ("killed", "whole"))
    for part in ("network", "loss"):
        assert all(torch.equal(killed[part][name], value) for name, value in whole[part].items()), part


@pytest.mark.slow
def test_the_others_end_with_a_sentence_where_a_process_was_killed(torchrun, tmp_path):
    ended = torchrun(tmp_path / "killed", 0)
    assert ended.returncode != 0
    assert "another process of this torchrun does not answer any more" in ended.stderr
    assert checkpoint.load(tmp_path / "killed")["step"] == 4
