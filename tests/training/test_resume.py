"""--resume after kill -9: a command killed at random steps ends with the uninterrupted run's numbers."""

import os
import random
import signal
import subprocess
import sys
import time

import pytest
import torch
import yaml

from sphereface_plus import checkpoint
from sphereface_plus.training.logs import read_log
from sphereface_plus.training.run import train

TIMINGS = {"images_per_second", "data_wait_share"}
STEPS = 40


@pytest.mark.slow
def test_killed_and_resumed_run_equals_the_uninterrupted_one_bit_by_bit(recipe, tiny, tmp_path, repository):
    changes = {"train.steps": STEPS, "optimizer.milestones": [20], "train.checkpoint_every": 4}
    train(
        tiny(**changes), tmp_path / "whole"
    )  # reads its crops itself; the killed run has two reading processes
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(recipe(**changes)))
    command = [sys.executable, "-m", "sphereface_plus", "train", str(tmp_path / "recipe.yaml")]
    command += ["--out", str(tmp_path / "killed"), "--set", "data.workers=2"]
    log = tmp_path / "killed" / "log.jsonl"
    dice = random.Random(os.urandom(8).hex())  # other steps each time: the claim is for every step
    kills = sorted(dice.sample(range(STEPS - 5), 2))
    for attempt, kill_after in enumerate([*kills, None]):
        process = subprocess.Popen(
            command + ["--resume"] * (attempt > 0),
            cwd=repository,
            env=os.environ | {"OMP_NUM_THREADS": "1"},
            stderr=subprocess.PIPE,
            text=True,
        )
        while kill_after is not None and process.poll() is None:
            if log.exists() and log.read_text().count("\n") > kill_after:
                process.send_signal(signal.SIGKILL)
            time.sleep(0.01)
        _, said = process.communicate(timeout=120)
        assert process.returncode == (0 if kill_after is None else -signal.SIGKILL), (kills, said)
    assert numbers(log) == numbers(tmp_path / "whole" / "log.jsonl"), kills
    whole, killed = checkpoint.load(tmp_path / "whole"), checkpoint.load(tmp_path / "killed")
    for part in ("network", "loss"):
        assert all(torch.equal(whole[part][name], killed[part][name]) for name in whole[part]), kills


def numbers(log):
    """Every number but the timings, as text: equal means equal to the last bit."""
    return [
        {name: repr(value) for name, value in line.items() if name not in TIMINGS} for line in read_log(log)
    ]
