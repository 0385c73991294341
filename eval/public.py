"""A report that may be shown to anybody: no faces, no names of people or photos, no paths of this machine.

Photos are called 0003/0001, the first photo of the third person, in the order of the pairs: `compare` takes
such a report as it takes the whole one.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

PUBLIC = "public"
"""The folder within a report's."""


def public(report: Mapping[str, Any], *, names: bool) -> dict[str, Any]:
    """The report without what is private. names: leave the names of people and photos in."""
    model, pairs = report["model"], report["pairs"]
    shown = {
        **report,
        "command": without_folders(report["command"]),
        "model": {**model, "name": Path(model["name"]).name},
        "pairs": {**pairs, "file": Path(pairs["file"]).name},
    }
    if "per_group" in report:
        shown["per_group"] = without_names_of_others(report["per_group"])
    if names:
        return shown
    number_of = _numbers(report["per_pair"])

    def numbered(keys: Sequence[str]) -> list[str]:
        return [number_of[key] for key in keys]

    preparation, training, per_pair = (report[part] for part in ("preparation", "training", "per_pair"))
    notes = [
        {**note, "examples": [numbered(keys) for keys in note["examples"]]} for note in pairs.get("notes", [])
    ]
    not_detected = [
        {**entry, "photo": number_of[entry["photo"]]} for entry in preparation.get("not_detected", [])
    ]
    people = training.get("people_in_training")
    known = {} if people is None else {"people_in_training": _people(people, number_of)}
    return {
        **shown,
        "pairs": {**shown["pairs"], "notes": notes},
        "preparation": {**preparation, "not_detected": not_detected},
        "training": {**training, **known},
        "per_pair": {
            **per_pair,
            "first": numbered(per_pair["first"]),
            "second": numbered(per_pair["second"]),
        },
    }


def _numbers(per_pair: Mapping[str, Any]) -> dict[str, str]:
    """Photo key -> 0003/0001. A photo in no folder is a person of its own."""
    photos: dict[str, dict[str, int]] = {}
    numbers: dict[str, str] = {}
    for pair in zip(per_pair["first"], per_pair["second"], strict=True):
        for key in pair:
            person = key.rpartition("/")[0]
            of_person = photos.setdefault(person or key, {})
            of_person.setdefault(key, len(of_person) + 1)
    for number, of_person in enumerate(photos.values(), start=1):
        numbers |= {key: f"{number:04d}/{photo:04d}" for key, photo in of_person.items()}
    return numbers


def _people(names: Sequence[str], number_of: Mapping[str, str]) -> list[str]:
    """The numbers of people: of the first photo of each, by a folder of its path or by its name."""
    return [
        next(
            (
                number.split("/")[0]
                for key, number in number_of.items()
                if name in key.split("/")[:-1] or ("/" not in key and key.startswith(name))
            ),
            "unnumbered",
        )
        for name in names
    ]


def without_names_of_others(groups: dict[str, Any] | None) -> dict[str, Any] | None:
    """A report's part `per_group` without the folder of its file and names of people who are not measured."""
    return groups and {**groups, "file": Path(groups["file"]).name, "people_elsewhere_are": ""}


def without_folders(command: str) -> str:
    """`--model runs/mine/best.pt` as `--model best.pt`, and `--model=runs/mine/best.pt` likewise."""
    return shlex.join(map(_last_part, shlex.split(command)))


def _last_part(word: str) -> str:
    option, equals, value = word.partition("=")
    if word.startswith("-") and equals:
        return option + equals + _last_part(value)
    return word.rstrip("/").rpartition("/")[2]
