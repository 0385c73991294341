"""Two processes of torchrun (gloo) against one: the same batches, the same updates, one log."""

import os
import shutil
import subprocess
import sys
from functools import partial

import pytest
import torch
import yaml

from sphereface_plus import checkpoint
from sphereface_plus.training.logs import read_log
from sphereface_plus.training.run import train
from tests.training.as_torchrun import go_on
from tests.two_processes import in_two_processes

CPU = f"cpu with {torch.backends.cpu.get_cpu_capability()}"
TIMINGS = {"images_per_second", "data_wait_share"}


@pytest.mark.slow
def test_two_processes_make_the_updates_of_one_and_go_on_as_if_never_stopped(
    recipe, tiny, tmp_path, repository
):
    changes = {"train.steps": 4, "train.checkpoint_every": 2, "optimizer.milestones": [], "mhe.weight": 10.0}
    train(tiny(**changes), tmp_path / "one")

    path = tmp_path / "recipe.yaml"
    path.write_text(yaml.safe_dump(recipe(**changes, **{"train.accumulate": 2})))
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    command += ["-m", "sphereface_plus", "train", str(path), "--resume", "--out", str(tmp_path / "two")]
    subprocess.run(
        command, cwd=repository, env=os.environ | {"OMP_NUM_THREADS": "1"}, check=True, timeout=250
    )
    one, two = (read_log(tmp_path / name / "log.jsonl") for name in ("one", "two"))
    assert [line["step"] for line in two] == [line["step"] for line in one] == list(range(4))
    for alone, together in zip(one, two, strict=True):
        for name in alone.keys() - TIMINGS:
            assert together[name] == pytest.approx(alone[name], rel=1e-4, abs=1e-5), name
    one, two = (checkpoint.load(tmp_path / name) for name in ("one", "two"))
    for part in ("network", "loss"):
        for name, value in one[part].items():
            assert torch.allclose(two[part][name], value, rtol=0, atol=1e-5), name

    checkpoints = shutil.copytree(tmp_path / "two", tmp_path / "again") / "checkpoints"
    (checkpoints / "step_00000002.pt").replace(checkpoints / "last.pt")  # as if it had ended there
    (tmp_path / "meeting").mkdir()
    in_two_processes(partial(go_on, path, tmp_path / "again"), tmp_path / "meeting")
    again = checkpoint.load(tmp_path / "again")
    assert again["processes"] == two["processes"] == f"2 x {CPU}, 1 thread, torch {torch.__version__}"
    for part in ("network", "loss"):
        assert all(torch.equal(again[part][name], value) for name, value in two[part].items()), part
