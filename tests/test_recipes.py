"""Every recipe of configs/ loads, builds and makes one step."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml

from sphereface_plus import config
from sphereface_plus.training.logs import read_log
from sphereface_plus.training.run import train

CONFIGS = Path(__file__).resolve().parent.parent / "configs"
RECIPES = sorted(path for path in CONFIGS.rglob("*.yaml") if "network" in yaml.safe_load(path.read_text()))


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


def test_there_are_recipes():
    assert RECIPES


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.relative_to(CONFIGS).as_posix())
def test_recipe_loads_builds_and_makes_one_step(path, make_crops, tmp_path):
    recipe = config.load(path)
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
    changes += ["init_from=null", "reset_head=false"]  # what it starts from is another recipe's run
    changed = config.load(path, changes)
    assert changed.network == recipe.network
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
