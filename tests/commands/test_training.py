"""What a training says at its end."""

import sys
from pathlib import Path

import pytest

from sphereface_plus.commands.training import _say
from sphereface_plus.training.run import Outcome


@pytest.mark.parametrize(
    ("processes", "here", "program"),
    [
        ("1", "1", "sphereface-plus"),
        ("2", "2", "torchrun --nproc-per-node 2 -m sphereface_plus"),
        ("4", "2", "torchrun, as before, -m sphereface_plus"),  # on two machines
    ],
)
def test_a_run_that_was_stopped_goes_on_with_as_many_processes(monkeypatch, capsys, processes, here, program):
    monkeypatch.setenv("WORLD_SIZE", processes)
    monkeypatch.setenv("LOCAL_WORLD_SIZE", here)
    monkeypatch.setattr(sys, "argv", ["sphereface-plus", "train", "a b.yaml", "--resume"])
    _say(Outcome(Path("runs/a"), step=3, last_step=9, signal=2))
    said = f"runs/a: stopped and saved at step 3 of 9; go on with\n  {program} train 'a b.yaml' --resume\n"
    if program.startswith("torchrun --"):
        said += "and torchrun's other options, such as --max-restarts, as before\n"
    assert capsys.readouterr().out == said
