"""Settings by --set: which of them a mistake comes from, and what a wrong name is meant for."""

import pytest

from sphereface_plus import config
from sphereface_plus.config import strict
from sphereface_plus.config.nearest import nearest
from sphereface_plus.config.recipes import recipes_folder

FACE, IMAGE = recipes_folder() / "face" / "lfw.yaml", recipes_folder() / "cifar" / "cnn9.yaml"
NAMES = {task: list(strict._names(model)) for task, model in config.TASKS.items()}


def refusal(recipe, *overrides, **options):
    with pytest.raises(config.ConfigError) as refused:
        config.load(recipe, overrides, **options)
    return str(refused.value)


@pytest.mark.parametrize(
    ("task", "name", "meant"),
    [
        ("face", "optimizer.lr", "optimizer.learning_rate"),
        ("face", "lr", "optimizer.learning_rate"),
        ("face", "train.lr", "optimizer.learning_rate"),
        ("face", "optimizer.rate", "optimizer.learning_rate"),
        ("face", "optimizer.wd", "optimizer.weight_decay"),
        ("face", "optimizer.mom", "optimizer.momentum"),
        ("face", "train.bs", "train.batch_size"),
        ("face", "train.seed", "seed"),
        ("face", "data.batch_size", "train.batch_size"),
        ("face", "batch_size", "train.batch_size"),
        ("face", "steps", "train.steps"),
        ("face", "mhe.wieght", "mhe.weight"),
        ("face", "train.batchsize", "train.batch_size"),
        ("face", "trian.steps", "train.steps"),
        ("face", "optimiser.learning_rate", "optimizer.learning_rate"),
        ("face", "optimiser", "optimizer"),
        ("face", "network.input.hight", "network.input.height"),
        ("face", "input.height", "network.input.height"),
        ("face", "train.epochs", None),
        ("face", "zzzzz", None),
        ("image", "mhe.weight", "mhe.hidden.weight"),
        ("image", "output.weight", "mhe.output.weight"),
    ],
)
def test_the_nearest_setting_is_named_in_full(task, name, meant):
    assert nearest(name, NAMES[task]) == meant


def test_each_setting_is_nearest_to_itself_in_another_group():
    for names in NAMES.values():
        for name in names:
            last = name.rpartition(".")[2]
            meant = nearest(f"elsewhere.{last}", names)
            assert meant is not None
            assert meant.rpartition(".")[2] == last


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        (
            ["optimizer.lr=0.1"],
            "--set optimizer.lr=0.1: optimizer.lr: is not a setting; did you mean optimizer.learning_rate?",
        ),
        (["train.seed=1"], "--set train.seed=1: train.seed: is not a setting; did you mean seed?"),
        (["trian.steps=5"], "--set trian.steps=5: trian: is not a setting; did you mean train?"),
        (["train={stepz: 5, steps: 5, batch_size: 4}"], "did you mean train.steps?"),
        (["data.path="], "--set data.path=: data.path: is empty, must be text"),
        (["data.path=null"], "--set data.path=null: data.path: is empty, must be text"),
        (["train.steps=a"], "--set train.steps=a: train.steps: must be an integer, got 'a'"),
        (["train.steps=a", "train.steps=b"], "--set train.steps=b: train.steps: must be an integer, got 'b'"),
        (["mhe=3", "seed=2"], "--set mhe=3: mhe: must be a group of settings, got 3"),
        (["loss.kind=am_sotmax"], "--set loss.kind=am_sotmax: loss.kind: must be one of "),
        (
            ["loss.kind=triplet"],
            "--set loss.kind=triplet: loss.kind triplet needs several crops of an identity",
        ),
        (
            ["loss.kind=a_softmax", "loss.scale=3"],
            "--set loss.scale=3: loss.scale: is not a setting of a_softmax, which has ",
        ),
        (
            ["train.batch_size=10", "seed=1", "train.accumulate=3"],
            "--set train.batch_size=10 --set train.accumulate=3: train.batch_size 10 is not divisible by ",
        ),
        (["train.device=mps"], "--set train.device=mps: train.device: mps, Apple's GPU, is not"),
        (["network.input.std=[1, 0, 1]", "network.input.color=rgb"], "--set network.input.std=[1, 0, 1]: "),
        (["reset_head=true"], "--set reset_head=true: reset_head has no effect without init_from"),
        (["name=!!set {a}"], "--set name=!!set {a}: a value is not text, number, list or group"),
    ],
)
def test_a_mistake_that_an_override_makes_names_the_override(overrides, sentence):
    said = refusal(FACE, *overrides)
    assert sentence in said
    assert said.startswith("--set ")
    assert "--set seed" not in said
    assert "lfw.yaml" not in said


def test_two_mistakes_name_an_override_each():
    said = refusal(FACE, "train.steps=a", "mhe.weight=-1").splitlines()
    assert sorted(line.split(": ")[0] for line in said) == ["--set mhe.weight=-1", "--set train.steps=a"]


def test_a_recipes_own_mistakes_name_the_recipe(tmp_path):
    recipe = tmp_path / "mine.yaml"
    recipe.write_text(FACE.read_text().replace("batch_size:", "batchsize:") + "\nmhe: {weight: }\n")
    said = refusal(recipe, "seed=3", "mhe.power=1")
    assert f"{recipe}: train.batchsize: is not a setting; did you mean train.batch_size?" in said
    assert f"{recipe}: train.batch_size: is required and not given" in said
    assert f"{recipe}: mhe.weight: is empty, must be a number" in said
    assert "--set" not in said


def test_an_override_that_nobody_typed_is_not_blamed():
    assert refusal(FACE, "reset_head=true", "seed=1", typed=["seed=1"]) == (
        f"{FACE}: reset_head has no effect without init_from"
    )


def test_a_contradiction_between_recipe_and_override_names_the_override():
    said = refusal(IMAGE, "seed=1", "data.name=imagenet")  # which the sentence does not name
    assert said.startswith("--set data.name=imagenet: network.name: cnn9 does not go with imagenet; resnet18")


def test_an_override_without_which_another_mistake_would_hide_this_one_is_not_blamed():
    """Without `milestones=[]` the recipe's milestones lie beyond the steps, and are refused first."""
    shorter = ["train.steps=5", "optimizer.milestones=[]", "optimizer.warmup_steps=0"]
    said = refusal(FACE, *shorter, "sample_rate=0.5", "mhe.weight=1", "mhe.form=caffe")
    assert said.startswith("--set sample_rate=0.5 --set mhe.weight=1 --set mhe.form=caffe: sample_rate: ")


def test_overrides_that_make_the_same_mistake_are_all_named():
    said = refusal(FACE, "trian.steps=5", "trian.batch_size=4")
    assert said == (
        "--set trian.steps=5 --set trian.batch_size=4: trian: is not a setting; did you mean train?"
    )
