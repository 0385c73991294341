"""Every recipe of configs/ loads, builds and makes one step."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml

from sphereface_plus import config
from sphereface_plus.training.folder import differences
from sphereface_plus.training.gan_result import result_of
from sphereface_plus.training.logs import read_log
from sphereface_plus.training.run import train

CONFIGS = Path(__file__).resolve().parent.parent / "configs"
TREES = {path: yaml.safe_load(path.read_text()) for path in sorted(CONFIGS.rglob("*.yaml"))}
RECIPES = [path for path, tree in TREES.items() if "network" in tree]
FACES = [path for path in RECIPES if TREES[path].get("task", "face") == "face"]
FIRST_OF_NETWORK = {str(TREES[path]["network"]): path for path in reversed(FACES)}.values()
IMAGES = [path for path in RECIPES if TREES[path].get("task") == "image"]
GANS = [path for path in RECIPES if TREES[path].get("task") == "gan"]
CASIA = [path for path in FACES if path.stem.endswith("_casia")]

# What a recipe for CASIA may have otherwise than SphereFace-20's, beside its name and its loss.
SCHEDULE = ("optimizer.milestones", "train.steps")
FINETUNING = ("init_from", "mhe.weight", "optimizer.learning_rate", *SCHEDULE)
AM_SOFTMAX = ("train.batch_size", *SCHEDULE)  # its released prototxt's
IRESNET = (
    "data.path",
    "network.name",
    *(f"network.input.{it}" for it in ("color", "std", "template", "width")),
)
DIFFERS = {
    "am_softmax20": AM_SOFTMAX,
    "am_softmax_mhe20": ("mhe.weight", *AM_SOFTMAX),
    "am_softmax_unnormalised20": AM_SOFTMAX,
    "arcface_iresnet50": IRESNET,
    "softmax_contrastive20": ("data.images_per_identity", "data.min_images"),
    **{f"sphereface{layers}": ("network.name",) for layers in (4, 10, 36, 64)},
    "sphereface_plus20": FINETUNING,
    "sphereface_plus20_caffe": ("mhe.form", *FINETUNING),
    "sphereface_plus20_opensphere": ("mhe.form", "mhe.weight"),
    "sphereface_plus64": ("network.name", *FINETUNING),
    "triplet20": (
        *("data.images_per_identity", "data.min_images", "init_from", "reset_head"),
        *("optimizer.learning_rate", *SCHEDULE),
    ),
}


@pytest.fixture(scope="module")
def make_crops(tmp_path_factory):
    """Two identities with two crops each, of a recipe's input size."""
    made = {}

    def make(spec: config.InputSpec) -> Path:
        size = (spec.height, spec.width)
        if size not in made:
            made[size] = tmp_path_factory.mktemp("crops")
            random = np.random.default_rng(0)
            for person in ("a", "b"):
                (made[size] / person).mkdir()
                for image in range(2):
                    crop = random.integers(0, 256, (*size, 3), np.uint8)
                    cv2.imwrite(str(made[size] / person / f"{image}.png"), crop)
        return made[size]

    return make


@pytest.fixture(scope="module")
def make_set(tmp_path_factory):
    """Images in the class folders of a set's two splits: MNIST's idx files, or noise."""

    def make(name: str) -> Path:
        root, random = tmp_path_factory.mktemp(name), np.random.default_rng(0)
        if name == "mnist":
            (root / "MNIST" / "raw").mkdir(parents=True)
            for part, count in (("train", 20), ("t10k", 10)):
                file = root / "MNIST" / "raw" / part
                pixels = random.integers(0, 256, (count, 28, 28), np.uint8)
                header = (0x803).to_bytes(4, "big") + b"".join(n.to_bytes(4, "big") for n in pixels.shape)
                Path(f"{file}-images-idx3-ubyte").write_bytes(header + pixels.tobytes())
                header = (0x801).to_bytes(4, "big") + count.to_bytes(4, "big")
                Path(f"{file}-labels-idx1-ubyte").write_bytes(header + bytes(range(10)) * (count // 10))
            return root
        sizes = {"cifar10": (32, 10, "test"), "cifar100": (32, 100, "test"), "imagenet": (224, 2, "val")}
        size, classes, test = sizes[name]
        for split in ("train", test):
            for label in range(classes):
                (root / split / f"class{label}").mkdir(parents=True)
                photo = random.integers(0, 256, (size, size, 3), np.uint8)
                cv2.imwrite(str(root / split / f"class{label}" / "0.png"), photo)
        return root

    return make


def test_there_are_recipes_of_every_task():
    assert FACES
    assert IMAGES
    assert GANS
    assert len(FACES) + len(IMAGES) + len(GANS) == len(RECIPES)


@pytest.mark.parametrize("path", GANS, ids=lambda path: path.relative_to(CONFIGS).as_posix())
def test_gan_recipe_loads_builds_and_makes_one_step(path, make_set, make_crops, tmp_path):
    recipe = config.load(path)
    assert isinstance(recipe, config.GanConfig)
    crops = recipe.data.name == "faces"
    place = make_crops(config.InputSpec()) if crops else make_set(recipe.data.name)
    changes = [f"data.path={place}", "train.steps=1", "train.batch_size=4"]
    changes += ["train.device=cpu", "train.precision=fp32"]
    if recipe.generator_batch is not None:
        changes += ["generator_batch=8"]
    if path != GANS[0]:  # the paper's widths, hence its memory and seconds, once
        changes += ["network.width=4"]
    changed = config.load(path, changes)
    assert train(changed, tmp_path / "run").step == 1
    assert result_of(tmp_path / "run").losses["discriminator_loss"] > 0
    assert (tmp_path / "run" / "samples" / "step_00000001.png").is_file()


def test_the_recipes_a_to_f_are_sngans_settings():
    """Table 1 of arXiv:1802.05957, with 100,000 updates of the generator in each."""
    table = {
        "a": (1e-4, 0.5, 0.9, 5),
        "b": (1e-4, 0.5, 0.999, 1),
        "c": (2e-4, 0.5, 0.999, 1),
        "d": (1e-3, 0.5, 0.9, 5),
        "e": (1e-3, 0.5, 0.999, 5),
        "f": (1e-3, 0.9, 0.999, 5),
    }
    for letter, (rate, beta1, beta2, n_dis) in table.items():
        recipe = config.load(CONFIGS / "gan" / f"sngan_{letter}.yaml")
        assert isinstance(recipe, config.GanConfig)
        assert recipe.name == f"sngan_{letter}"
        for adam in (recipe.generator, recipe.discriminator):
            assert (adam.learning_rate, adam.beta1, adam.beta2) == (rate, beta1, beta2)
        assert recipe.n_dis == n_dis
        assert recipe.train.steps == 100_000 * n_dis
        first = config.load(CONFIGS / "gan" / "sngan_b.yaml")
        differing = differences(config.to_dict(first), config.to_dict(recipe))
        allowed = {"name", "n_dis", "train.steps", "train.log_every", "train.checkpoint_every"}
        assert {key for key in differing if not key.startswith(("generator.", "discriminator."))} <= allowed


@pytest.mark.parametrize("path", IMAGES, ids=lambda path: path.relative_to(CONFIGS).as_posix())
def test_image_recipe_loads_builds_and_makes_one_step(path, make_set, tmp_path):
    recipe = config.load(path)
    assert isinstance(recipe, config.ImageConfig)
    changes = [f"data.path={make_set(recipe.data.name)}", "data.workers=0", "train.steps=1"]
    changes += ["train.batch_size=4", "train.device=cpu", "optimizer.milestones=[]"]
    changes += ["optimizer.warmup_steps=0"]
    changed = config.load(path, changes)
    assert changed.network == recipe.network
    assert train(changed, tmp_path / "run").step == 1
    assert read_log(tmp_path / "run" / "log.jsonl")[-1]["test/accuracy"] >= 0


@pytest.mark.parametrize("path", FACES, ids=lambda path: path.relative_to(CONFIGS).as_posix())
def test_face_recipe_loads_builds_and_makes_one_step(path, make_crops, tmp_path):
    recipe = config.load(path)
    assert isinstance(recipe, config.FaceConfig)
    crops = make_crops(recipe.network.input)
    changes = [
        f"data.path={crops}",
        "data.min_images=1",
        "data.workers=0",
        "train.steps=1",
        "train.batch_size=2",
    ]
    changes += ["train.accumulate=1", "train.device=cpu", "optimizer.milestones=[]"]
    changes += ["optimizer.warmup_steps=0", "validation=null"]
    # What it starts from is another recipe's run.
    changes += ["init_from=null", "reset_head=false", "finetune={}"]
    if recipe.data.images_per_identity is not None:
        changes += ["data.images_per_identity=2", "train.batch_size=4"]
    if path not in FIRST_OF_NETWORK:  # its network makes a step in another recipe's test
        changes += ["network.name=sphereface4", "network.embedding_size=16"]
    changed = config.load(path, changes)
    assert train(changed, tmp_path / "run").step == 1
    assert read_log(tmp_path / "run" / "log.jsonl")[0]["loss"] > 0


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.relative_to(CONFIGS).as_posix())
def test_recipe_begins_with_what_it_is_and_its_command(path):
    text = path.read_text()
    comment = [line for line in text.splitlines() if line.startswith("#")]
    assert text.startswith("#")
    assert any(
        "make quickstart" in line or ("sphereface-plus" in line and path.name in line) for line in comment
    )


@pytest.mark.parametrize(
    "path", [path for path in FACES if path.stem.endswith("_casia")], ids=lambda p: p.stem
)
def test_a_recipe_for_casia_differs_from_sphereface_20s_where_it_must_and_nowhere_else(path):
    sphereface20 = config.to_dict(config.load(CONFIGS / "face/sphereface20_casia.yaml"))
    differing = differences(sphereface20, config.to_dict(config.load(path)))
    others = {key for key in differing if key != "name" and not key.startswith("loss.")}
    assert others == set(DIFFERS.get(path.stem.removesuffix("_casia"), ()))
