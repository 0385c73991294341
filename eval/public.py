"""A report that may be shown to anybody: no faces, no names of people or photos, no paths of this machine.

Photos are called 0003/0001, the first photo of the third person, in the order of the pairs: `compare` takes
such a report as it takes the whole one.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

PUBLIC = "public"
"""The folder within a report's."""
_NO_PHOTOS = ("title", "model", "protocol", "environment")
"""Parts of a report that name no photo."""


def public(report: Mapping[str, Any], *, names: bool) -> dict[str, Any]:
    """The report without what is private. names: leave the names of people and photos in."""
    model, pairs = report["model"], report["pairs"]
    shown = {
        **report,
        "command": _without_folders(report["command"]),
        "model": {**model, "name": Path(model["name"]).name},
        "pairs": {**pairs, "file": Path(pairs["file"]).name},
    }
    if names:
        return shown
    numbers = _numbers(report["per_pair"])
    return {
        part: content if part in _NO_PHOTOS else _renamed(content, numbers) for part, content in shown.items()
    }


def _numbers(per_pair: Mapping[str, Any]) -> dict[str, str]:
    """Photo key -> 0003/0001, and person -> 0003. A photo in no folder is a person of its own."""
    photos: dict[str, dict[str, int]] = {}
    numbers: dict[str, str] = {}
    for pair in zip(per_pair["first"], per_pair["second"], strict=True):
        for key in pair:
            person = key.rpartition("/")[0]
            of_person = photos.setdefault(person or key, {})
            of_person.setdefault(key, len(of_person) + 1)
    for number, (person, of_person) in enumerate(photos.items(), start=1):
        numbers[person] = numbers[person.rpartition("/")[2]] = f"{number:04d}"
        numbers |= {key: f"{number:04d}/{photo:04d}" for key, photo in of_person.items()}
    return numbers


def _renamed(content: Any, numbers: Mapping[str, str]) -> Any:
    """Plain data with every text that is a photo or a person, and every key of a dict, replaced."""
    if isinstance(content, dict):
        return {numbers.get(key, key): _renamed(value, numbers) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [_renamed(value, numbers) for value in content]
    return numbers.get(content, content) if isinstance(content, str) else content


def _without_folders(command: str) -> str:
    """`--model runs/mine/best.pt` as `--model best.pt`."""
    return shlex.join(word.rstrip("/").rpartition("/")[2] for word in shlex.split(command))
