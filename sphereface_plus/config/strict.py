"""Reading a YAML file strictly into typed, frozen settings.

A recipe is read once, changed by `--set key=value`, validated, and from then on it does not change.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar, TypeVar, get_args

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from sphereface_plus.config.nearest import nearest
from sphereface_plus.errors import UserError


class ConfigError(UserError):
    """A recipe that cannot be used; the message names the key and what is wrong with it."""


MAX_JSON = 10**8
"""Longest settings, in characters of JSON; the names of two million identities have 40 million."""

M = TypeVar("M", bound="Strict")


class Strict(BaseModel):
    # Strict types on the JSON form: "3" is not a number, unknown keys are errors, nothing mutates.
    model_config = ConfigDict(
        extra="forbid", strict=True, frozen=True, allow_inf_nan=False, use_attribute_docstrings=True
    )


class _Loader(yaml.SafeLoader):
    # YAML reads 2026-11-24 as a date, which no setting is: a run may be named so.
    yaml_implicit_resolvers: ClassVar = {
        first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


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
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # ValueError: `0b_`, or no UTF-8
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or " ".join(str(error).split())
        raise ConfigError(f"{path}{where}: is not YAML ({problem})") from None


def apply(tree: dict[str, Any], override: str, model: type[Strict]) -> None:
    """Changes one value of a recipe's tree by `a.b=value`. Raises ConfigError.

    model: of the recipe. Where each `kind` of a group has settings of its own, another kind drops them all.
    """
    key, equals, text = override.partition("=")
    if not equals or not key:
        raise ConfigError(f"--set {override}: expected key=value, for example train.steps=1000")
    *parents, leaf = key.split(".")
    node = tree
    for name in parents:
        child = node.setdefault(name, {})
        if not isinstance(child, dict):
            raise ConfigError(f"--set {override}: {name} is a value, not a group of settings")
        node = child
    try:
        value = parse_value(text)
    except (yaml.YAMLError, ValueError, RecursionError):
        raise ConfigError(f"--set {override}: {text!r} is not a value") from None
    if leaf == "kind" and node.get("kind") != value and _is_union(model, parents):
        node.clear()
    node[leaf] = value


def validate(model: type[M], tree: Any, origin: str) -> M:
    """Plain data as settings. Raises ConfigError with a line a mistake."""
    found = checked(model, tree)
    if isinstance(found, list):
        raise ConfigError("\n".join(f"{origin}: {mistake}" for mistake in found))
    return found


def checked(model: type[M], tree: Any) -> M | list[str]:
    """Plain data as settings, or else what is wrong with it, a sentence a mistake."""
    try:
        # Through JSON: strict mode then takes YAML's lists for tuples, and still no string for a number.
        return model.model_validate_json(_json(tree))
    except (TypeError, _NoTree) as error:  # !!set or !!binary
        return [f"a value is not text, number, list or group ({error})"]
    except ValidationError as error:
        return [_sentence(mistake, model) for mistake in error.errors()]


class _NoTree(Exception):
    """Plain data that cannot be written as JSON."""


def _json(tree: Any) -> str:
    """The tree as JSON. Raises TypeError; _NoTree for a list that holds itself, by YAML's anchors or in a
    checkpoint, is nested too deep, or becomes huge, as one does that names another ten times, and so on."""
    length = 0
    try:
        for part in json.JSONEncoder().iterencode(tree):  # counted before any of it is kept
            length += len(part)
            if length > MAX_JSON:
                raise _NoTree(f"it is longer than {MAX_JSON:,} characters")
        return json.dumps(tree)
    except (ValueError, RecursionError) as error:
        raise _NoTree("it holds itself" if "Circular" in str(error) else "it is nested too deep") from None


# What pydantic calls things, in the words of a recipe.
_WORDS = {
    "Input should be": "must be",
    "a valid integer": "an integer",
    "a valid number": "a number",
    "a valid string": "text",
    "a valid boolean": "true or false",
    "a valid array": "a list",
    "an object": "a group of settings",
}


def _sentence(mistake: Any, model: type[Strict]) -> str:
    tags = _tags(model)
    place = [str(part) for part in mistake["loc"] if part not in tags]
    key = ".".join(place) or "recipe"
    if mistake["type"] == "value_error":  # a contradiction; its message names the keys
        return mistake["msg"].removeprefix("Value error, ")
    if mistake["type"] == "missing":
        group, _, last = key.rpartition(".")
        if isinstance(mistake["loc"][-1], int):
            return f"{group}: has {last} values, more are needed"
        return f"{key}: is required and not given"
    if mistake["type"] == "extra_forbidden":
        kind = next((part for part in mistake["loc"] if part in tags), None)
        group = key.rpartition(".")[0]
        # Of a kind of loss only its own; elsewhere all, as the same name may be a setting in another place.
        own = [] if kind is None else sorted(_settings_of(kind, model))
        near = nearest(key, list(_names(model)) if kind is None else [f"{group}.{name}" for name in own])
        sentence = f"{key}: is not a setting"
        sentence += "" if kind is None else f" of {kind}, which has {', '.join(own)}"
        return sentence + (f"; did you mean {near}?" if near else "")
    if mistake["type"].startswith("union_tag"):
        kinds = mistake["ctx"].get("expected_tags", ", ".join(sorted(tags))).replace("'", "")
        return f"{key}.kind: must be one of {kinds}, got {mistake['input'].get('kind')!r}"
    if mistake["type"] == "string_pattern_mismatch":
        return f"{key}: must be letters, digits, '.', '_' and '-', without a folder, got {mistake['input']!r}"
    words = mistake["msg"]
    for theirs, ours in _WORDS.items():
        words = words.replace(theirs, ours)
    if mistake["input"] is None:  # `key=`, or `key:` without a value
        return f"{key}: is empty, {words}"
    return f"{key}: {words}, got {mistake['input']!r:.300}"


def _groups(model: type[Strict]) -> Iterator[type[Strict]]:
    """A model and all models below it."""
    yield model
    for field in model.model_fields.values():
        for part in (field.annotation, *get_args(field.annotation)):
            if isinstance(part, type) and issubclass(part, Strict):
                yield from _groups(part)


def _is_union(model: type[Strict], names: Sequence[str]) -> bool:
    """Whether there are several kinds of the group of this name, each with settings of its own."""
    groups = [model]
    for name in names:
        fields = [group.model_fields[name].annotation for group in groups if name in group.model_fields]
        parts = [part for field in fields for part in (field, *get_args(field))]
        groups = [part for part in parts if isinstance(part, type) and issubclass(part, Strict)]
    return len(groups) > 1


def _names(model: type[Strict], prefix: str = "") -> Iterator[str]:
    """The full names of all settings and groups."""
    for name, field in model.model_fields.items():
        yield prefix + name
        for part in (field.annotation, *get_args(field.annotation)):
            if isinstance(part, type) and issubclass(part, Strict):
                yield from _names(part, f"{prefix}{name}.")


def _settings_of(kind: str, model: type[Strict]) -> set[str]:
    """Of the member of a union that has this kind."""
    return next(
        set(group.model_fields)
        for group in _groups(model)
        if "kind" in group.model_fields and kind in get_args(group.model_fields["kind"].annotation)
    )


def _tags(model: type[Strict]) -> set[str]:
    """The kinds of its unions, which pydantic puts into a mistake's place, and which are not keys."""
    kinds = (group.model_fields["kind"] for group in _groups(model) if "kind" in group.model_fields)
    return {tag for kind in kinds for tag in get_args(kind.annotation)}
