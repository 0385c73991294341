"""Reports say which training a model comes from, whatever kind of file it is, and hash its file once."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from eval import report_files
from sphereface_plus import checkpoint, weights
from sphereface_plus.config import from_dict, to_dict
from sphereface_plus.hub import save_pretrained, save_weights
from sphereface_plus.networks import build_network


@pytest.fixture
def run(tmp_path):
    """A function that makes a run folder of a seed."""

    def make(seed: int) -> Path:
        config = from_dict(
            {
                "name": "tiny",
                "seed": seed,
                "data": {"path": "x"},
                "network": {"name": "sphereface4", "embedding_size": 16},
                "loss": {"kind": "softmax"},
                "optimizer": {"learning_rate": 0.1},
                "train": {"steps": 10, "batch_size": 2, "precision": "bf16"},
            }
        )
        payload = {
            "network": build_network(config.network).state_dict(),
            "config": to_dict(config),
            "step": 10,
            "identities": ["a", "b"],
            "processes": "2 x some GPU, torch 2.15.0",
        }
        folder = tmp_path / f"run{seed}"
        checkpoint.save(folder / "checkpoints" / "last.pt", payload)
        return folder

    return make


SAID = {"recipe": "tiny", "seed": 3, "step": 10, "identities": 2}
SAID |= {"trained in": "bf16", "on": "2 x some GPU, torch 2.15.0"}


def test_a_weight_file_and_a_folder_of_the_hub_are_reported_with_their_training(
    run, crop_pairs, run_eval, tmp_path
):
    folder, (images, pairs) = run(3), crop_pairs
    save_weights(folder, tmp_path / "mine.safetensors", license="MIT")
    save_pretrained(folder, tmp_path / "hub")
    sha256 = checkpoint.sha256(folder / "checkpoints" / "last.pt")
    scores = []
    for model, license in (
        (folder, None),
        (tmp_path / "mine.safetensors", "MIT"),
        (tmp_path / "hub", "not stated"),
    ):
        out = tmp_path / f"{model.name}_report"
        run_eval("verify", "--model", model, "--images", images, "--pairs", pairs, "--out", out)
        report = report_files.read(out)
        made_from = {"license": license, "from": f"last.pt (sphereface_plus), sha256 {sha256}"}
        assert report["model"]["provenance"] == (SAID | made_from if license else SAID)
        page = (out / "report.html").read_text()
        assert "seed <code>3</code>" in page
        assert "trained in <code>bf16</code>" in page
        assert report["model"]["label"] == ("tiny" if model is folder else model.stem)
        scores.append(report["per_pair"]["score"])
    assert scores[0] == scores[1] == scores[2]
    assert "| training: precision | bf16 |" in (tmp_path / "hub" / "README.md").read_text()


def test_seeds_takes_weight_files_that_say_their_seed(run, crop_pairs, run_eval, tmp_path):
    images, pairs = crop_pairs
    for seed in (1, 2):
        file = tmp_path / f"mine{seed}.safetensors"
        save_weights(run(seed), file)
        out = tmp_path / f"report{seed}"
        run_eval("verify", "--model", file, "--images", images, "--pairs", pairs, "--out", out)
    pattern = f"{tmp_path}/report*"
    assert f"| {pattern} |     2 |" in run_eval("seeds", "--against", pattern, pattern).output


def test_a_seed_that_is_no_number_is_none(run, crop_pairs, run_eval, tmp_path):
    """A weight file of somebody else may call anything its seed."""
    images, pairs = crop_pairs
    model = weights.load(run(1))
    for name, seed in (("a", "one"), ("b", 2)):
        origin = model.info.origin.model_copy(update={"training": {"seed": seed}})
        weights.save(
            tmp_path / f"{name}.safetensors", model.info.model_copy(update={"origin": origin}), model.network
        )
        arguments = ("--images", images, "--pairs", pairs, "--out", tmp_path / f"report_{name}")
        run_eval("verify", "--model", tmp_path / f"{name}.safetensors", *arguments)
    pattern = f"{tmp_path}/report_*"
    output = run_eval("seeds", "--against", pattern, pattern, code=1).output
    assert output.startswith(f"error: {tmp_path}/report_a: does not say its seed; reports of a run, of a")


@pytest.mark.parametrize("kind", ["run", "weights", "embeddings"])
def test_a_models_file_is_hashed_once(kind, run, crop_pairs, run_eval, tmp_path, monkeypatch):
    images, pairs = crop_pairs
    model = file = run(3)
    if kind == "run":
        file = model / "checkpoints" / "last.pt"
    if kind == "weights":
        model = file = tmp_path / "mine.safetensors"
        save_weights(run(3), file)
    if kind == "embeddings":
        run_eval(
            "verify", "--model", model, "--images", images, "--pairs", pairs, "--out", tmp_path / "first"
        )
        model = tmp_path / "first" / "embeddings"
        file = model / "embeddings.json"
    copy = file.with_name(f"copy{file.suffix}")  # the file itself was hashed when it was made
    copy.write_bytes(file.read_bytes())
    copy.replace(file)
    hashed = []
    real = hashlib.file_digest

    def counting(opened, name):
        hashed.append(Path(opened.name).resolve())
        return real(opened, name)

    monkeypatch.setattr(hashlib, "file_digest", counting)
    run_eval("verify", "--model", model, "--images", images, "--pairs", pairs, "--out", tmp_path / "out")
    assert hashed.count(file.resolve()) == 1
    monkeypatch.undo()
    with file.open("rb") as opened:
        expected = hashlib.file_digest(opened, "sha256").hexdigest()
    assert json.loads((tmp_path / "out" / "report.json").read_text())["model"]["sha256"] == expected
