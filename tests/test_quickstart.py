"""configs/face/quickstart.sh, `make quickstart`: every step of it, on fewer drawn people."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner

from data_prep.__main__ import main as data_prep
from eval.__main__ import main as evaluation
from sphereface_plus.__main__ import cli

PROGRAMS = {"data_prep": data_prep, "eval": evaluation, "sphereface-plus": cli}
DRAW = "--people 4 --photos 3 --test-people 20 --test-photos 2 --pairs 2 --workers 1"
SETTINGS = [
    "network.embedding_size=16",
    "train.steps=4",
    "train.batch_size=8",
    "train.device=cpu",
    "optimizer.milestones=[]",
    "optimizer.warmup_steps=0",
    "optimizer.learning_rate=1e-3",
]


def in_this_process(command: str) -> str:
    """What a command line of the script says, whose process has loaded everything."""
    program, *words = command.removeprefix("python -m ").split()
    result = CliRunner().invoke(PROGRAMS[program], words)
    assert result.exit_code == 0, result.output
    return result.output


@pytest.mark.slow
@pytest.mark.timeout(1800)  # a minute on a free core; on a narrow or busy one it may take its time
def test_the_quickstart_leads_from_drawn_people_to_a_comparison_of_three_and_goes_on_when_called_again(
    tmp_path, repository, monkeypatch
):
    for name in ("configs", "data_prep", "eval"):
        (tmp_path / name).symlink_to(repository / name)
    environment = os.environ | {
        "BIN": str(Path(sys.executable).parent),
        "DRAW": DRAW,
        "SETTINGS": " ".join(f"--set {setting}" for setting in SETTINGS),
        "OMP_NUM_THREADS": "1",
    }

    said = subprocess.run(
        ["sh", "configs/face/quickstart.sh"],
        cwd=tmp_path,
        env=environment,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    out = tmp_path / "runs" / "quickstart"
    reports = {
        name: json.loads((out / "report" / name / "report.json").read_text())
        for name in ("pixels", "sphereface", "sphereface_plus")
    }
    assert len({report["pairs"]["sha256"] for report in reports.values()}) == 1
    assert len({report["results"]["accuracy"] for report in reports.values()}) > 1
    page = (out / "report" / "compare.html").read_text()
    assert all(name in page for name in ("raw pixels", "quickstart_sphereface", "quickstart_sphereface_plus"))
    base, *others = json.loads((out / "report" / "compare.json").read_text())["models"]
    assert base["label"] == "quickstart_sphereface"
    assert [model["label"] for model in others] == ["raw pixels", "quickstart_sphereface_plus"]
    assert all(len(model["against_first"]["interval"]) == 2 for model in others)

    checkpoint = out / "sphereface_plus" / "checkpoints" / "last.pt"
    written = checkpoint.stat().st_mtime_ns
    typed = [line.removeprefix("$ ") for line in said.splitlines() if line.startswith("$ ")]
    assert len(typed) == 9
    monkeypatch.chdir(tmp_path)
    torch.set_num_threads(1)
    assert "already" in "".join(map(in_this_process, typed))
    assert checkpoint.stat().st_mtime_ns == written
