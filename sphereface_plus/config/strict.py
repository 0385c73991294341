"""Reading a YAML file strictly into typed, frozen settings.

A recipe is read once, changed by `--set key=value`, validated, and from then on it does not change.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar, get_args

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError


class ConfigError(ValueError):
    """A recipe that cannot be used; the message names the key and what is wrong with it."""


M = TypeVar("M", bound="Strict")


class Strict(BaseModel):
    # Strict types on the JSON form: "3" is no number, 1.5 no count, unknown keys are errors, nothing mutates.
    model_config = ConfigDict(
        extra="forbid", strict=True, frozen=True, allow_inf_nan=False, use_attribute_docstrings=True
    )


class _Loader(yaml.SafeLoader):
    pass


# YAML 1.1 reads 1e-3 as a string; a recipe means the number.
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d+$"),
    list("-+.0123456789"),
)


def parse_value(text: str) -> Any:
    """The value of a `--set key=value`, read as YAML: `1e-3` is a number, `[1, 2]` a list, `null` is None."""
    return yaml.load(text, Loader=_Loader)  # a SafeLoader: builds plain data only


def to_dict(model: Strict) -> dict[str, Any]:
    """Plain data that `from_dict` reads back; what goes into run folders, checkpoints and reports."""
    return model.model_dump(mode="json")


def read(path: Path) -> Any:
    """The plain data of a YAML file. Raises ConfigError."""
    try:
        return yaml.load(path.read_text(encoding="utf-8"), Loader=_Loader)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror})") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: is not YAML ({' '.join(str(error).split())})") from None


def apply(tree: dict[str, Any], override: str) -> None:
    """Changes one value of a recipe's tree by `a.b=value`. Raises ConfigError."""
    key, equals, text = override.partition("=")
    if not equals or not key:
        raise ConfigError(f"--set {override}: expected key=value, for example mhe.weight=0.5")
    *parents, leaf = key.split(".")
    node = tree
    for name in parents:
        child = node.setdefault(name, {})
        if not isinstance(child, dict):
            raise ConfigError(f"--set {override}: {name} is a value, not a group of settings")
        node = child
    try:
        value = parse_value(text)
    except yaml.YAMLError:
        raise ConfigError(f"--set {override}: {text!r} is not a value") from None
    if leaf == "kind" and node.get("kind") != value:
        node.clear()
    node[leaf] = value


def validate(model: type[M], tree: Any, origin: str) -> M:
    """Plain data as settings. Raises ConfigError with a line a mistake."""
    try:
        # Through JSON: strict mode then takes YAML's lists for tuples, and still no string for a number.
        return model.model_validate_json(json.dumps(tree))
    except TypeError as error:
        raise ConfigError(f"{origin}: {error}") from None
    except ValidationError as error:
        lines = [f"{origin}: {_sentence(mistake, model)}" for mistake in error.errors()]
        raise ConfigError("\n".join(lines)) from None


def _sentence(mistake: Any, model: type[Strict]) -> str:
    tags = _tags(model)
    key = ".".join(str(part) for part in mistake["loc"] if part not in tags)
    if mistake["type"] == "value_error":  # a contradiction; its message names the keys
        return mistake["msg"].removeprefix("Value error, ")
    if mistake["type"] == "missing":
        return f"{key}: is required and not given"
    if mistake["type"] == "extra_forbidden":
        near = difflib.get_close_matches(str(mistake["loc"][-1]), _every_setting(model), n=1)
        return f"{key}: is no setting" + (f"; did you mean {near[0]}?" if near else "")
    return f"{key or 'recipe'}: {mistake['msg']}, got {mistake['input']!r}"


def _groups(model: type[Strict]) -> Iterator[type[Strict]]:
    """A model and all models below it."""
    yield model
    for field in model.model_fields.values():
        for part in (field.annotation, *get_args(field.annotation)):
            if isinstance(part, type) and issubclass(part, Strict):
                yield from _groups(part)


def _every_setting(model: type[Strict]) -> set[str]:
    return {name for group in _groups(model) for name in group.model_fields}


def _tags(model: type[Strict]) -> set[str]:
    """The kinds of its unions, which pydantic puts into a mistake's place, and which are no keys."""
    kinds = (group.model_fields["kind"] for group in _groups(model) if "kind" in group.model_fields)
    return {tag for kind in kinds for tag in get_args(kind.annotation)}
