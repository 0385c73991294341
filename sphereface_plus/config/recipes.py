"""The recipes that come with the package, found by name."""

from __future__ import annotations

import difflib
from pathlib import Path

from sphereface_plus.config.strict import ConfigError

MOST_NAMED = 8
"""Recipes of a folder that a message lists."""


def recipes_folder() -> Path:
    """The folder of recipes: the one that was installed, or the checkout's. Raises ConfigError."""
    here = Path(__file__).resolve().parents[1]
    installed, checkout = here / "recipes", here.parent / "configs"
    if installed.is_dir():
        return installed
    if (checkout / "paper").is_dir():  # beside an installed package any `configs` may lie
        return checkout
    raise ConfigError(f"{installed}: is missing, where this installation's recipes lie; install it again")


def find_recipe(path: Path) -> Path:
    """The file, or the recipe that is installed under this name: cifar/cnn9, or configs/cifar/cnn9.yaml.

    Raises ConfigError for another name that is close to one of these, or in one of their folders, with the
    recipes that may be meant.
    """
    if path.exists() or path.is_absolute():
        return path
    found = installed_recipe(path)
    if found is not None:
        return found
    name = _name(path)
    known = [
        file.relative_to(recipes_folder()).with_suffix("")
        for file in sorted(recipes_folder().rglob("*.yaml"))
    ]
    if Path("paper", Path(name).name) in known:
        raise ConfigError(f"{path}: is a table of the paper: sphereface-plus reproduce {Path(name).name}")
    known = [recipe for recipe in known if recipe.parent.name not in ("paper", "input")]
    last = Path(name).name
    close = difflib.get_close_matches(last, sorted({recipe.name for recipe in known}), n=3)
    if close:  # the closest first, and it alone if it is the name itself
        close = [last] if last in close else close
        meant = sorted(
            (recipe for recipe in known if recipe.name in close), key=lambda r: close.index(r.name)
        )
        raise ConfigError(f"{path}: there is no such recipe; did you mean {' or '.join(map(str, meant))}?")
    beside = [recipe.name for recipe in known if recipe.parent == Path(name).parent]
    if len(beside) > MOST_NAMED:
        nearest = difflib.get_close_matches(last, beside, n=3, cutoff=0.0)
        raise ConfigError(
            f"{path}: there is no such recipe; the nearest of the {len(beside)} in {Path(name).parent} are "
            f"{', '.join(nearest)}"
        )
    if beside:
        raise ConfigError(f"{path}: there is no such recipe; {Path(name).parent} has {', '.join(beside)}")
    return path


def installed_recipe(path: str | Path) -> Path | None:
    """The file of the recipe that is installed under this name, or None."""
    file = recipes_folder() / f"{_name(path)}.yaml"
    return file if file.is_file() else None


def _name(path: str | Path) -> str:
    return str(path).removeprefix("configs/").removesuffix(".yaml")
