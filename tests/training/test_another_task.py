"""A task with two networks, two optimizers and no classes, which lives in toy_gan.py alone. Whatever the
house does with a run, it does with this one, by its entries in the two tables."""

import dataclasses
import json
import os
import re
import signal

import pytest
import torch
import yaml
from click.testing import CliRunner

from eval.__main__ import main as eval_
from sphereface_plus import checkpoint, config
from sphereface_plus.__main__ import cli
from sphereface_plus.training import room, tasks
from sphereface_plus.training.logs import read_log
from sphereface_plus.training.run import train
from tests.training import toy_gan

RECIPE = {
    "task": "toy_gan",
    "name": "toy",
    "seed": 5,
    "data": {"count": 30, "radius": 2.0},
    "generator": {"learning_rate": 0.01},
    "discriminator": {"learning_rate": 0.02},
    "train": {
        **{"steps": 10, "batch_size": 8, "accumulate": 2, "log_every": 1, "checkpoint_every": 4},
        **{"device": "cpu", "precision": "fp32"},
    },
}
TIMINGS = {"images_per_second", "data_wait_share"}


@pytest.fixture(autouse=True)
def _registered(monkeypatch):
    toy_gan.register(monkeypatch)


@pytest.fixture
def toy_recipe(tmp_path):
    path = tmp_path / "toy.yaml"
    path.write_text(yaml.safe_dump(RECIPE))
    return path


@pytest.fixture
def call(toy_recipe, tmp_path):
    """call("train", "--out", folder, ...): the command with the recipe; its result."""

    def call(*arguments, code=0):
        command, *rest = map(str, arguments)
        result = CliRunner().invoke(cli, [command, str(toy_recipe), *rest])
        assert result.exit_code == code, (result.output, result.exception)
        return result

    return call


def numbers(folder):
    return [
        {name: value for name, value in line.items() if name not in TIMINGS}
        for line in read_log(folder / "log.jsonl")
    ]


def assert_same(one, other, place=""):
    """Two payloads, tensor by tensor and number by number."""
    if isinstance(one, torch.Tensor):
        assert torch.equal(one, other), place
    elif isinstance(one, dict):
        assert one.keys() == other.keys(), place
        for name in one:
            assert_same(one[name], other[name], f"{place}.{name}")
    elif isinstance(one, list | tuple):
        assert len(one) == len(other), place
        for number, (first, second) in enumerate(zip(one, other, strict=True)):
            assert_same(first, second, f"{place}.{number}")
    else:
        assert one == other, place


def test_it_trains_logs_and_keeps_checkpoints(call, tmp_path):
    said = call("train", "--out", tmp_path / "run").output
    assert "data: 30 points, the ring\n" in said
    assert "network: a generator and a discriminator; 10 steps of 8 points, on 1 x cpu " in said
    lines = read_log(tmp_path / "run" / "log.jsonl")
    assert f"step 0/10  D {lines[1]['discriminator_loss']:.3f}  " in said
    assert ["generator_loss" in line for line in lines if "discriminator_loss" in line] == [False, True] * 5
    assert [line["step"] for line in lines if "validation/score" in line] == [0, 4, 8, 10]
    names = sorted(path.name for path in (tmp_path / "run" / "checkpoints").iterdir())
    assert names == ["best.pt", "last.pt", "step_00000004.pt", "step_00000008.pt"]
    payload = checkpoint.load(tmp_path / "run")
    assert payload["identities"] is None
    assert "network" not in payload


def test_the_best_checkpoint_is_chosen_by_its_own_number_of_which_less_is_better(call, tmp_path, monkeypatch):
    scores = iter([3.0, 1.5, float("nan"), 2.5])  # at steps 0, 4, 8 and 10
    monkeypatch.setattr(toy_gan.ToyLearner, "sampled", lambda learner, noise: torch.tensor(next(scores)))
    monkeypatch.setattr(toy_gan.ToyLearner, "is_healthy", lambda learner, part: True)
    monkeypatch.setattr(toy_gan.torch, "isfinite", lambda value: torch.tensor(True))
    said = call("train", "--out", tmp_path / "run").output
    assert "\nstep 4/10  score 1.5000\n" in said
    best = checkpoint.load(tmp_path / "run" / "checkpoints" / "best.pt")
    assert (best["step"], best["best"]) == (4, {"step": 4, "score": 1.5})
    assert checkpoint.load(tmp_path / "run")["best"] == best["best"]
    shown = CliRunner().invoke(cli, ["show", str(tmp_path / "run")]).output
    assert "\n  best       score 1.5000 at step 4\n" in shown


def test_a_task_without_a_result_has_no_best_checkpoint_and_no_room_for_one(call, tmp_path, monkeypatch):
    without = dataclasses.replace(toy_gan.TASK, result=lambda settings: None)
    monkeypatch.setitem(tasks.TASKS, "toy_gan", without)
    numbers_of_checkpoints = room.numbers
    found = []
    monkeypatch.setattr(room, "numbers", lambda run: found.append(numbers_of_checkpoints(run)) or found[-1])
    call("train", "--out", tmp_path / "run")
    names = sorted(path.name for path in (tmp_path / "run" / "checkpoints").iterdir())
    assert names == ["last.pt", "step_00000004.pt", "step_00000008.pt"]
    assert found == [(2, len(names) + 1)]  # last.pt lies there twice while it is written


@pytest.mark.parametrize("stop_at", [3, 6])  # after an update of the generator, and after one without
def test_a_stopped_run_goes_on_bit_for_bit(call, tmp_path, monkeypatch, stop_at):
    call("train", "--out", tmp_path / "whole")
    update = toy_gan.ToyLearner.update

    def interrupted(learner, batch, step):
        if step == stop_at:
            os.kill(os.getpid(), signal.SIGINT)
        return update(learner, batch, step)

    monkeypatch.setattr(toy_gan.ToyLearner, "update", interrupted)
    said = call("train", "--out", tmp_path / "parts", code=130).output
    monkeypatch.setattr(toy_gan.ToyLearner, "update", update)
    assert f"stopped and saved at step {stop_at + 1} of 10" in said
    call("train", "--out", tmp_path / "parts", "--resume")
    assert numbers(tmp_path / "parts") == numbers(tmp_path / "whole")
    assert_same(checkpoint.load(tmp_path / "parts"), checkpoint.load(tmp_path / "whole"))


def test_other_settings_and_other_points_are_not_the_same_run(call, tmp_path, monkeypatch):
    call("train", "--out", tmp_path / "run")
    again = ["train", "--out", tmp_path / "run", "--resume", "--set", "train.steps=12"]
    said = call(*again, "--set", "n_dis=3", code=1).output
    assert "--resume continues the same run, but the recipe differs: n_dis (was 2, now 3)" in said
    monkeypatch.setattr(toy_gan.Ring, "fingerprint", lambda ring: "another")
    said = call(*again, code=1).output
    assert "the training set has changed since the run began: then 30 points, now 30, or others" in said


def test_a_loss_that_is_not_finite_is_told_in_the_words_of_the_task(call, tmp_path):
    out, often = tmp_path / "run", ("--set", "n_dis=1")
    said = call("train", "--out", out, "--set", "generator.learning_rate=1e30", *often, code=3).output
    assert (
        "step 1: the discriminator's loss is not finite; its batch (paths) and the state before it are in"
        in said
    )
    assert (
        "try a lower generator.learning_rate, a lower discriminator.learning_rate or a smaller n_dis; after "
        "a divergence --resume takes these changed, as by --set generator.learning_rate=..."
    ) in said
    batch = json.loads((out / "failure" / "batch_rank0.json").read_text())
    assert batch["paths"][0].startswith("point ")
    assert len(batch["paths"]) == 8
    assert "labels" not in batch
    gentler = ["--set", "generator.learning_rate=0.001"]
    said = call("train", "--out", out, "--resume", *often, *gentler).output
    assert "trained, 10 steps" in said


def test_an_update_that_breaks_the_model_is_no_checkpoint(call, tmp_path):
    settings = ["--set", "generator.learning_rate=1e30", "--set", "train.checkpoint_every=2"]
    said = call("train", "--out", tmp_path / "run", *settings, code=3).output
    assert "step 1: the update made the discriminator's scores infinite, the run has diverged" in said
    assert "Try a lower generator.learning_rate or a lower discriminator.learning_rate; after a" in said
    assert [path.name for path in (tmp_path / "run" / "checkpoints").iterdir()] == ["best.pt"]  # of step 0


def test_a_validation_that_finds_it_broken_says_the_same(call, tmp_path):
    settings = ["--set", "generator.learning_rate=1e30", "--set", "n_dis=4"]
    said = call("train", "--out", tmp_path / "run", *settings, code=3).output
    assert "step 3: the update made the discriminator's scores infinite, the run has diverged" in said


def test_show_tells_what_it_is(call, tmp_path):
    call("train", "--out", tmp_path / "run")
    shown = CliRunner().invoke(cli, ["show", str(tmp_path / "run")]).output
    assert "  recipe     toy, step 10 of 10, seed 5\n  data       30 points of radius 2\n" in shown
    assert "  n_dis      2\n  best       score " in shown
    assert "\n\ngenerator: 0.weight, 0.bias, 2.weight, 2.bias\n" in shown
    payload = checkpoint.load(tmp_path / "run")
    checkpoint.save(tmp_path / "bad.pt", payload | {"generator": "none"})
    shown = CliRunner().invoke(cli, ["show", str(tmp_path / "bad.pt")])
    assert shown.output.endswith("is not a checkpoint of ours, its generator is a text\n")


def test_its_settings_are_listed():
    listed = CliRunner().invoke(cli, ["settings"]).output
    assert "\n\nA toy of two networks\n\ntask  toy_gan  (required)\n" in listed
    assert "\nn_dis  integer = 2\n    Updates of the discriminator for one of the generator.\n" in listed


def test_its_mistakes_are_named(call, tmp_path):
    said = call("train", "--set", "n_dos=2", code=1).output
    assert "n_dos: is not a setting; did you mean n_dis?" in said


def test_what_takes_a_model_of_faces_refuses_it_in_one_sentence(call, toy_recipe, tiny, tmp_path):
    run, out = tmp_path / "run", tmp_path / "out"
    call("train", "--out", run)
    (tmp_path / "crops").mkdir()
    pairs = [f"a/{n} {who}/{n} {int(who == 'a')}\n" for n in range(10) for who in "ab"]
    (tmp_path / "pairs.txt").write_text("".join(pairs))
    sentence = f"{run}/checkpoints/last.pt: is of a toy of two networks; a model of faces is needed here"
    verify = ["verify", "--pairs", tmp_path / "pairs.txt", "--images", tmp_path / "crops", "--out", out]
    for group, command in (
        (cli, ["embed", run, tmp_path / "crops", f"{out}.npz"]),
        (cli, ["export", run, f"{out}.onnx"]),
        (cli, ["export", run, out]),
        (eval_, [*verify, "--model", run]),
    ):
        said = CliRunner().invoke(group, [str(argument) for argument in command])
        assert said.exit_code == 1, command
        assert said.output == f"error: {sentence}\n"
        assert not out.exists()
    said = call("finetune", "--init-from", run, code=1).output
    assert said == f"error: {toy_recipe}: is of points; fine-tuning is for face recognition\n"
    with pytest.raises(config.ConfigError, match=re.escape(sentence)):
        train(tiny(init_from=str(run)), tmp_path / "tuned")
