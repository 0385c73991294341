"""An identification's report that may be shown to anybody: no faces, no names, no paths of this machine.

A person is called by a number, 0003, a photo 0003/0001, a distractor d0007.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..public import without_folders


def public(report: Mapping[str, Any], *, names: bool) -> dict[str, Any]:
    """The report without what is private. names: leave the names of people and photos in."""
    model, results = report["model"], report["results"]
    groups = results["per_group"]
    if groups is not None:
        groups = groups | {"file": Path(groups["file"]).name}
    shown = {
        **report,
        "command": without_folders(report["command"]),
        "model": {**model, "name": Path(model["name"]).name},
        "sets": [{**each, "place": Path(each["place"]).name} for each in report["sets"]],
        "results": {**results, "per_group": groups},
    }
    return shown if names else _numbered(shown)


def _numbered(report: dict[str, Any]) -> dict[str, Any]:
    results, searches, training = report["results"], report["per_search"], report["training"]
    probes = "gallery" if report["leave_one_out"] else "probes"
    number = _Numbers()
    per_search = {
        **searches,
        "probe": [
            number.photo(p, k, probes) for p, k in zip(searches["person"], searches["probe"], strict=True)
        ],
        "mate": [
            key and number.photo(person, key, "gallery")
            for person, key in zip(searches["person"], searches["mate"], strict=True)
        ],
        "person": [number.person(person) for person in searches["person"]],
    }
    others = zip(searches["other"], searches["other_is_distractor"], strict=True)
    per_search["other"] = [
        other and (number.distractor(other) if is_distractor else number.person(other))
        for other, is_distractor in others
    ]
    groups = results["per_group"]
    return {
        **report,
        "sets": [
            {**each, "notes": [], "preparation": {**each["preparation"], "not_detected": []}}
            for each in report["sets"]
        ],
        "notes": [{**note, "examples": []} for note in report["notes"]],
        "results": {
            **results,
            "per_identity": [
                {**row, "person": number.person(row["person"])} for row in results["per_identity"]
            ],
            "per_group": None if groups is None else {**groups, "people_elsewhere_are": ""},
        },
        "examples": {
            kind: [
                {**example, "photos": [_photo(photo, number) for photo in example["photos"]]}
                for example in examples
            ]
            for kind, examples in report["examples"].items()
        },
        "training": {
            **training,
            **({"people_in_training": []} if "people_in_training" in training else {}),
        },
        "per_search": per_search,
    }


def _photo(photo: dict[str, Any], number: _Numbers) -> dict[str, Any]:
    if photo["set"].startswith("distractors"):
        return {**photo, "key": number.distractor(photo["key"]), "person": ""}
    return {
        **photo,
        "key": number.photo(photo["person"], photo["key"], photo["set"]),
        "person": number.person(photo["person"]),
    }


class _Numbers:
    """Names become numbers in the order in which they are met."""

    def __init__(self) -> None:
        self.people: dict[str, int] = {}
        self.photos: dict[str, dict[tuple[str, str], int]] = {}
        self.distractors: dict[str, int] = {}

    def person(self, name: str) -> str:
        return f"{self.people.setdefault(name, len(self.people) + 1):04d}"

    def photo(self, name: str, key: str, of: str) -> str:
        own = self.photos.setdefault(name, {})
        number = own.setdefault((of, key), len(own) + 1)
        return f"{self.person(name)}/{number:04d}"

    def distractor(self, key: str) -> str:
        return f"d{self.distractors.setdefault(key, len(self.distractors) + 1):04d}"
