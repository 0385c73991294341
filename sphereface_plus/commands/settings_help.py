"""Every setting with its sentence, type and default, read off the config's own models."""

from __future__ import annotations

import inspect
import types
from collections.abc import Iterator
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from sphereface_plus.config import TASKS, Strict
from sphereface_plus.training import tasks


def settings_help() -> str:
    """One block a setting: `key  type = default`, and below it what it means; faces first, then images."""
    return "\n\n".join(
        "\n".join([tasks.TASKS[name].title, "", *_lines(model, "")]) for name, model in TASKS.items()
    )


def _lines(model: type[Strict], prefix: str) -> Iterator[str]:
    for name, field in model.model_fields.items():
        key = prefix + name
        groups = list(_models(field.annotation))
        for group in groups:
            kind = group.model_fields.get("kind")
            title = f", with kind: {get_args(kind.annotation)[0]}" if kind else ""
            says = inspect.cleandoc(group.__doc__).replace("\n", " ") if group.__doc__ else ""
            yield f"\n{key}{title}" + (
                "  (optional)" if not field.is_required() and field.default is None else ""
            )
            if says:
                yield f"    {says}"
            yield from _lines(group, key + ".")
        if not groups and name != "kind":
            default = "  (required)" if field.is_required() else f" = {_plain(field.default)}"
            yield f"{key}  {_type(field.annotation)}{default}"
            yield f"    {field.description}"


def _models(annotation: Any) -> Iterator[type[Strict]]:
    """The setting groups in a field's type: one, or one a kind."""
    if isinstance(annotation, type) and issubclass(annotation, Strict):
        yield annotation
    elif get_origin(annotation) in (Union, types.UnionType, Annotated):
        for part in get_args(annotation):
            yield from _models(part)


def _type(annotation: Any) -> str:
    if get_origin(annotation) is Literal:
        return "|".join(str(value) for value in get_args(annotation))
    if get_origin(annotation) in (Union, types.UnionType):
        return " or ".join(_type(part) for part in get_args(annotation))
    if get_origin(annotation) is tuple:
        return "list of " + _type(get_args(annotation)[0])
    return {type(None): "null", str: "text", int: "integer", float: "number", bool: "true|false"}[annotation]


def _plain(default: Any) -> str:
    if default is None:
        return "null"
    if isinstance(default, tuple):
        return str(list(default))
    return str(default).lower() if isinstance(default, bool) else str(default)
