"""A whole seed of a study in small, on drawn people: weights, a start, two arms, stopped and called again."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
import yaml

from eval.study.kept import read_kept
from eval.study.weights import read_weights
from tests.forked import Forked

RECIPE = {
    "name": "tiny",
    "data": {"path": "x"},
    "network": {"name": "sphereface4", "embedding_size": 8},
    "loss": {"kind": "a_softmax"},
    "optimizer": {"learning_rate": 0.05},
    "train": {"steps": 3, "batch_size": 8, "log_every": 1, "precision": "fp32"},
}
STUDY = {
    "title": "A tiny study",
    "first": "first.yaml",
    "first_without": "later.txt",
    "start": "start.yaml",
    "arm": "arm.yaml",
    "arms": {"control": {}, "Eq. (8)": {"ratio": 0.5}},
    "start_measured": True,
    "seeds": 2,
    "weights_steps": 2,
}


@pytest.fixture(scope="module")
def data(repository, tmp_path_factory):
    """Crops and lists, by the script of the study on drawn people."""
    out = tmp_path_factory.mktemp("drawn") / "crops"
    sizes = {"people": 6, "first-people": 4, "photos": 2, "test-people": 20, "test-photos": 4}
    sizes |= {"pairs": 10, "distractors": 4, "workers": 1}
    words = [word for name, size in sizes.items() for word in (f"--{name}", str(size))]
    script = repository / "docs" / "results" / "does_mhe_help" / "drawn_faces.py"
    _call(repository, str(script), str(out), *words)
    return out


def _call(repository, *words):
    environment = {**os.environ, "PYTHONPATH": str(repository), "OMP_NUM_THREADS": "1"}
    subprocess.run([sys.executable, *words], check=True, env=environment, cwd=repository)


def _ends(words, said, **environment):
    """The exit code of the study; what it says is added to a file."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", **environment}
    with said.open("a") as file:
        study = Forked(["-m", "tests.eval.study.forked_study", *words], stdout=file, env=environment)
    return study.wait()


@pytest.mark.slow
def test_a_seed_is_made_once_whatever_stops_it_and_kept_as_tables(tmp_path, data):
    (tmp_path / "first.yaml").write_text(yaml.safe_dump(RECIPE))
    begins = {"init_from": "x", "reset_head": True, "finetune": {"prototypes": "mean_embedding"}}
    (tmp_path / "start.yaml").write_text(yaml.safe_dump(RECIPE | begins))
    (tmp_path / "arm.yaml").write_text(yaml.safe_dump({**RECIPE, "init_from": "x"}))
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(STUDY, sort_keys=False))
    out, work, said = tmp_path / "tables", tmp_path / "work", tmp_path / "said.txt"
    tables = ["study", str(tmp_path / "study.yaml"), "--out", str(out)]
    seed = [*tables, "--data", str(data), "--seed", "0", "--work", str(work)]

    assert _ends(seed, said, STOP_AFTER_ROWS="1") == 143, said.read_text()
    before = read_kept(out).rows
    assert [row.arm for row in before] == ["start"]

    assert _ends(seed, said) == 0, said.read_text()
    kept = read_kept(out)
    assert [(row.arm, row.seed) for row in kept.rows] == [("start", 0), ("control", 0), ("Eq. (8)", 0)]
    assert kept.rows[0].made_with == before[0].made_with  # not made a second time
    for row in kept.rows:
        assert (len(row.right["pairs"]), len(row.right["searches"])) == (200, 60)
        assert 0 <= row.numbers["rank_1"] <= 100
        assert row.numbers["energy_of_people"] > 0
        assert row.numbers["energy_gradient"] > 0
    assert read_weights(out)["Eq. (8)"] > 0
    runs = sorted(run.parent.name for run in work.glob("seed0/*/checkpoints"))
    assert runs == ["first", "start"]  # all else was deleted
    assert "2 of 6 identities left out" in (work / "seed0" / "first.txt").read_text()
    text = (out / "table.md").read_text()
    assert "Eq. (8)" in text

    (out / "table.md").unlink()  # made again from the tables alone, without crops
    assert _ends(tables, said) == 0, said.read_text()
    assert (out / "table.md").read_text() == text
