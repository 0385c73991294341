"""Whole runs of generator and discriminator on a tiny CIFAR, through the command: what they write, that they
go on exactly, and what they say where something is wrong."""

import os
import signal
from functools import partial

import numpy as np
import pytest
import torch
import yaml
from click.testing import CliRunner
from PIL import Image

from sphereface_plus import checkpoint, config
from sphereface_plus.__main__ import cli
from sphereface_plus.config import to_dict
from sphereface_plus.data.noise import sample_noise
from sphereface_plus.mhe import hyperspherical_energy
from sphereface_plus.processes import start
from sphereface_plus.training import gan, gan_collapse
from sphereface_plus.training.folder import RunError, RunFolder
from sphereface_plus.training.gan_learner import GanLearner
from sphereface_plus.training.gan_result import result_of
from sphereface_plus.training.logs import read_log
from sphereface_plus.training.samples import grid_of
from tests.small_sets import write_cifar
from tests.training.gan_set import gan_config
from tests.training.test_another_task import assert_same, numbers


@pytest.fixture(scope="module")
def tiny_cifar(tmp_path_factory):
    return write_cifar(tmp_path_factory.mktemp("cifar"), train=3)


@pytest.fixture
def call(tiny_cifar, tmp_path):
    """call("train", "--out", folder, ..., code=1): the command with the recipe; what it said."""
    recipe = tmp_path / "tiny.yaml"
    recipe.write_text(yaml.safe_dump(to_dict(gan_config(**{"data.path": str(tiny_cifar)}))))

    def call(command, *arguments, code=0):
        result = CliRunner().invoke(cli, [command, str(recipe), *map(str, arguments)])
        assert result.exit_code == code, (result.output, result.exception)
        return result.output

    return call


def test_a_run_writes_checkpoints_and_a_grid_of_samples_with_each(call, tmp_path):
    said = call("train", "--out", tmp_path / "run")
    assert "data: 30 images of 10 classes" in said
    assert f"note: 64 samples are written to {tmp_path / 'run' / 'samples'} with each checkpoint\n" in said
    assert "network: sngan_table3, " in said
    assert " parameters of the generator and " in said
    lines = [line for line in read_log(tmp_path / "run" / "log.jsonl") if "discriminator_loss" in line]
    assert f"step 0/6  D {lines[0]['discriminator_loss']:.3f}  G {lines[0]['generator_loss']:.3f}  " in said
    assert ["generator_loss" in line for line in lines] == [True, False] * 3
    names = sorted(path.name for path in (tmp_path / "run" / "samples").iterdir())
    assert names == ["step_00000004.png", "step_00000006.png"]
    payload = checkpoint.load(tmp_path / "run")
    saved = config.from_dict(payload["config"])
    run = gan.build(saved, RunFolder(tmp_path / "other"), start("cpu"))
    run.learner.load_state_dict(payload)
    expected = grid_of(run.learner.sampled(sample_noise(4, 64, 5)), 8)
    with Image.open(tmp_path / "run" / "samples" / "step_00000006.png") as grid:
        assert np.array_equal(np.asarray(grid), expected)


def interrupt(monkeypatch, stop_at):
    """The next run that comes to the update of this number is interrupted in it, once."""
    update, pending = GanLearner.update, [stop_at - 1]

    def interrupted(learner, batch, step):
        if [step] == pending:
            pending.clear()
            os.kill(os.getpid(), signal.SIGINT)
        return update(learner, batch, step)

    monkeypatch.setattr(GanLearner, "update", interrupted)


@pytest.mark.parametrize("stop_at", [2, 5])  # after an update of both, and after one of one
def test_a_stopped_run_goes_on_bit_for_bit(call, tmp_path, monkeypatch, stop_at):
    settings = ["--set", "loss.gradient_penalty={}", "--set", "train.accumulate=2"]
    call("train", "--out", tmp_path / "whole", *settings)
    interrupt(monkeypatch, stop_at)
    said = call("train", "--out", tmp_path / "parts", *settings, code=130)
    assert f"stopped and saved at step {stop_at} of 6" in said
    torch.manual_seed(99)  # what another process would have
    call("train", "--out", tmp_path / "parts", "--resume", *settings)
    assert numbers(tmp_path / "parts") == numbers(tmp_path / "whole")
    assert_same(checkpoint.load(tmp_path / "parts"), checkpoint.load(tmp_path / "whole"))
    last = "samples/step_00000006.png"
    assert (tmp_path / "parts" / last).read_bytes() == (tmp_path / "whole" / last).read_bytes()


@pytest.mark.parametrize("stop_at", [3, 6])  # before the rule has held long enough, and after it was said
def test_a_run_that_goes_on_remembers_how_long_a_rule_of_collapse_has_held(
    call, tmp_path, monkeypatch, stop_at
):
    monkeypatch.setattr(gan_collapse, "Stretch", partial(gan_collapse.Stretch, steps=4))
    monkeypatch.setattr(gan_collapse, "BLIND", 1e9)  # always so
    interrupt(monkeypatch, stop_at)
    settings = "train", "--out", tmp_path / "run", "--set", "train.steps=12"
    first = call(*settings, code=130)
    then = call(*settings, "--resume")
    words = "warning: collapse: since step 0 the discriminator has scored real and generated images alike"
    assert [said.count(words) for said in (first, then)] == ([0, 1] if stop_at == 3 else [1, 0])
    assert "collapse" not in then.replace(words, "")
    payload = checkpoint.load(tmp_path / "run")
    assert payload["watch"]["blind"] == {"first": 0, "values": 12, "said": True}


def test_a_checkpoint_of_an_older_version_goes_on_with_rules_that_begin_anew(call, tmp_path):
    settings = "train", "--out", tmp_path / "run", "--set", "train.steps=4"
    call(*settings)
    file = tmp_path / "run" / "checkpoints" / "last.pt"
    payload = checkpoint.load(file)
    del payload["watch"]
    checkpoint.save(file, payload)
    said = call("train", "--out", tmp_path / "run", "--resume", "--set", "train.steps=6")
    assert "trained, 6 steps" in said
    assert checkpoint.load(file)["watch"]["blind"]["said"] is False


def test_a_loss_that_is_not_finite_is_told_with_what_to_try(call, tmp_path):
    out, plain = tmp_path / "run", ("--set", "network.discriminator_normalisation=none", "--set", "n_dis=1")
    said = call("train", "--out", out, "--set", "discriminator.learning_rate=1e30", *plain, code=3)
    assert (
        "step 1: the generator's loss is not finite; its batch (paths, labels) and the state before" in said
    )
    assert (
        "try a lower discriminator.learning_rate, a lower generator.learning_rate or a smaller mhe.weight"
        in said
    )
    gentler = ["--set", "discriminator.learning_rate=0.001"]
    assert "trained, 6 steps" in call("train", "--out", out, "--resume", *plain, *gentler)


def test_an_update_that_breaks_a_network_is_not_a_checkpoint(call, tmp_path):
    settings = ["--set", "discriminator.learning_rate=1e38", "--set", "train.checkpoint_every=1"]
    settings += ["--set", "network.discriminator_normalisation=none"]
    said = call("train", "--out", tmp_path / "run", *settings, code=3)
    said = said.partition("step 0: ")[2]
    assert said.startswith(
        "the update made the generator's images or the discriminator's scores infinite, the run"
    )
    assert "Try a lower discriminator.learning_rate or a lower generator.learning_rate; after a" in said
    assert not (tmp_path / "run" / "checkpoints").exists()
    assert not (tmp_path / "run" / "samples").exists()


def test_what_came_out_of_a_run_is_read_from_its_folder(call, tmp_path):
    with pytest.raises(RunError, match="has no samples yet"):
        result_of(tmp_path / "run")
    call("train", "--out", tmp_path / "run")
    result, lines = result_of(tmp_path / "run"), read_log(tmp_path / "run" / "log.jsonl")
    assert result.step == 6
    assert result.samples == tmp_path / "run" / "samples" / "step_00000006.png"
    at = {"discriminator_loss": 5, "generator_loss": 4, "score_of_real": 5, "score_of_fake": 5}  # n_dis is 2
    updates = {line["step"]: line for line in lines if "discriminator_loss" in line}
    assert result.losses == {name: updates[step][name] for name, step in at.items()}
    shown = CliRunner().invoke(cli, ["show", str(tmp_path / "run")]).output
    assert f"  last       step 6: discriminator loss {result.losses['discriminator_loss']:.3f}, gen" in shown
    assert f"  samples    {result.samples}\n" in shown
    # After the last update: of the weights in the checkpoint.
    state = checkpoint.load(tmp_path / "run")["discriminator"]
    weight = state["convolutions.3.parametrizations.weight.original"].flatten(1)
    assert result.energies["energy/convolutions_3"] == pytest.approx(float(hyperspherical_energy(weight)))
    largest = float(torch.linalg.svdvals(weight)[0])
    assert result.energies["largest_singular_value/convolutions_3"] == pytest.approx(largest)


def test_show_tells_layers_and_energies_of_both_networks(call, tmp_path):
    call("train", "--out", tmp_path / "run")
    shown = CliRunner().invoke(cli, ["show", str(tmp_path / "run")]).output
    assert "  loss       standard, MHE weight 0.5, normalisation spectral\n" in shown
    assert "network sngan_table3, generator: " in shown
    assert "  convolutions.0           Conv2d           2 x 3 x 3 x 3                  56\n" in shown
    assert "parametrizations" not in shown
    energies = [line.split() for line in shown.partition("half-space energy of")[2].splitlines()[1:]]
    assert [name for name, _ in energies] == [f"convolutions_{number}" for number in range(7)]
    payload = checkpoint.load(tmp_path / "run")
    checkpoint.save(tmp_path / "bad.pt", payload | {"discriminator": payload["generator"]})
    shown = CliRunner().invoke(cli, ["show", str(tmp_path / "bad.pt")]).output
    assert "its config and its weights do not go together" in shown


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        (["train.precision=fp16"], "train.precision fp16 needs CUDA, and this is the CPU"),
        (
            ["train.accumulate=2", "generator_batch=3"],
            "generator_batch 3 is not divisible by train.accumulate",
        ),
        (["decay_steps=5"], "decay_steps 5 leaves steps with a learning rate of 0, train.steps is 6"),
        (["data.image_size=64"], "data.image_size: cifar10's images have 32 pixels; drop it"),
        (["data.name=folder"], "data.image_size: name the pixels of a side that folder's images are resized"),
        (["data.name=folder", "data.image_size=20"], "data.image_size: "),
        (
            ["data.name=faces", "data.image_size=8", "data.path=nowhere"],
            "no such folder, manifest, list or pac",
        ),
        (["train.accumulate=3"], "train.batch_size 8 is not divisible by train.accumulate 3"),
        (
            ["loss.weight_clipping=0.01"],
            "loss.weight_clipping bounds no slope where network.discriminator_normalisation spectral scales",
        ),
        (
            ["loss.gradient_penalty={}", "network.discriminator_normalisation=batch"],
            "batch normalisation makes them depend on each other",
        ),
        (["data.name=mnist"], "data.name: must be 'cifar10', 'cifar100', 'folder' or 'faces', got 'mnist'"),
        (["n_dos=2"], "n_dos: is not a setting; did you mean n_dis?"),
        (["data.path=nowhere"], "data.path nowhere: there is no such file or folder of cifar10's images"),
    ],
)
def test_what_cannot_be_meant_is_refused_by_name(call, tmp_path, settings, says):
    changes = [part for setting in settings for part in ("--set", setting)]
    assert says in call("train", "--out", tmp_path / "run", *changes, code=1)


@pytest.mark.parametrize(
    ("settings", "is_noted"),
    [
        ({"network.discriminator_normalisation": "none"}, True),
        ({"network.discriminator_normalisation": "batch"}, True),
        ({"network.discriminator_normalisation": "layer"}, True),
        ({"network.discriminator_normalisation": "spectral"}, False),
        ({"network.discriminator_normalisation": "none", "loss.gradient_penalty": {}}, False),
        ({"network.discriminator_normalisation": "none", "loss.weight_clipping": 0.01}, False),
        ({"network.discriminator_normalisation": "none", "loss.kind": "hinge"}, False),
    ],
)
def test_a_wasserstein_loss_that_nothing_bounds_is_noted(settings, is_noted):
    said = gan._unbounded(gan_config(**{"loss.kind": "wasserstein"} | settings))
    assert len(said) == is_noted
    assert all(note.startswith("loss.kind wasserstein with ") for note in said)


def test_its_settings_are_listed():
    listed = CliRunner().invoke(cli, ["settings"]).output
    assert "\n\nGeneration of images\n\ntask  gan  (required)\n" in listed
    assert "\nloss.gradient_penalty  (optional)\n" in listed
    assert "\nmhe.half_space  true|false = true\n" in listed


def test_a_folder_of_images_is_trained_on_and_gone_on_with_and_shown(call, tmp_path):
    random = np.random.default_rng(3)
    for number in range(6):
        pixels = random.integers(0, 256, (20 + number, 30, 3), np.uint8)
        (tmp_path / "images" / f"{number % 2}").mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(tmp_path / "images" / f"{number % 2}" / f"{number}.png")
    settings = ["data.name=folder", f"data.path={tmp_path / 'images'}", "data.image_size=16", "train.steps=2"]
    settings = [part for setting in settings for part in ("--set", setting)]
    said = call("train", "--out", tmp_path / "run", *settings, "--set", "network.name=sngan_resnet")
    assert f"data: 6 images, {tmp_path / 'images'}\n" in said
    assert "note: 6 images are few: the discriminator will know them by heart, and the generator rep" in said
    assert "note: train.batch_size 8 is more than the 6 images of" in said
    settings[settings.index("train.steps=2")] = "train.steps=4"
    call("train", "--out", tmp_path / "run", *settings, "--set", "network.name=sngan_resnet", "--resume")
    with Image.open(result_of(tmp_path / "run").samples) as grid:
        assert grid.size == (8 * 18 + 2, 8 * 18 + 2)
    shown = CliRunner().invoke(cli, ["show", str(tmp_path / "run")]).output
    assert f"  data       {tmp_path / 'images'}: 6 images\n" in shown
    assert "network sngan_resnet, discriminator: " in shown
    assert "  blocks_0_convolutions_0  " in shown


def test_collapse_is_said_while_the_run_goes_on(call, tmp_path):
    said = call(
        *("train", "--out", tmp_path / "run", "--set", "train.steps=204", "--set", "train.batch_size=2"),
        *("--set", "discriminator.learning_rate=1e-30", "--set", "train.checkpoint_every=100"),
        *("--set", "generator.learning_rate=1e-30", "--set", "mhe.weight=0"),
        *("--set", "network.discriminator_normalisation=none"),
    )
    assert "warning: collapse: since step 0 the discriminator has scored real and generated im" in said
    assert "trained, 204 steps" in said
