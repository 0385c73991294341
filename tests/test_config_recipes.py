"""Recipes by their names, in an installation and in a checkout."""

from pathlib import Path

import pytest

from sphereface_plus.config import ConfigError
from sphereface_plus.config import recipes as module
from sphereface_plus.config.recipes import find_recipe, recipes_folder


def test_recipes_are_the_installed_ones_or_the_checkouts_and_no_others(monkeypatch, tmp_path):
    package = tmp_path / "site-packages" / "sphereface_plus"
    monkeypatch.setattr(module, "__file__", str(package / "config" / "recipes.py"))
    (tmp_path / "site-packages" / "configs").mkdir(parents=True)  # somebody else's
    with pytest.raises(ConfigError, match="recipes: is missing, where this installation's recipes lie"):
        recipes_folder()
    (package / "recipes").mkdir(parents=True)
    assert recipes_folder() == package / "recipes"


def test_a_recipe_is_found_by_name_where_no_such_file_is(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    for name in ("cifar/cnn9", "cifar/cnn9.yaml", "configs/cifar/cnn9", "configs/cifar/cnn9.yaml"):
        assert find_recipe(Path(name)) == recipes_folder() / "cifar" / "cnn9.yaml"
    with pytest.raises(
        ConfigError, match=r"cifar/cnn99: there is no such recipe; did you mean cifar/cnn9 or mnist/cnn6\?"
    ):
        find_recipe(Path("cifar/cnn99"))
    assert find_recipe(Path("mine.yaml")) == Path("mine.yaml")  # which the reader of files then refuses
    (tmp_path / "cifar").mkdir()
    (tmp_path / "cifar" / "cnn9.yaml").touch()
    assert find_recipe(Path("cifar/cnn9.yaml")) == Path("cifar/cnn9.yaml")


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("lfw", "did you mean face/lfw?"),
        ("lfw.yaml", "did you mean face/lfw?"),
        ("face/lwf", "did you mean face/lfw?"),
        ("cnn9", "did you mean cifar/cnn9?"),
        ("table01", "is a table of the paper: sphereface-plus reproduce table01"),
        ("mnist/xxxxxx", "there is no such recipe; mnist has cnn6"),
        (
            "face/mhe20",
            "there is no such recipe; the nearest of the 32 in face are magface20_casia, "
            "am_softmax_mhe20_casia, sphereface20_casia",
        ),
    ],
)
def test_a_recipe_is_suggested_by_the_last_part_of_its_name(monkeypatch, tmp_path, name, says):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError) as refused:
        find_recipe(Path(name))
    assert str(refused.value).startswith(f"{name}: ")
    assert str(refused.value).endswith(says)
