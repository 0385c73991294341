"""Photos that a page shows of searches: as plain data for a report, and with pictures for the page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from .rendering import photo_name, thumbnail

if TYPE_CHECKING:
    from sphereface_plus.data.formats.packs import CropSource

NUM_EXAMPLES = 8
NUM_ABOVE = 3
"""Of those that rank above a mate."""

Example = dict[str, Any]
"""`photos`: plain data, as `example_photo` has it."""
Images = Mapping[str, "Mapping[str, CropSource] | None"]
"""Role of a set -> photo key -> crop."""


def example_photo(role: str, key: str, person: str, what: str, score: float | None) -> dict[str, Any]:
    """role: of the set that the photo is of; what: probe, mate, above, distractor; what it is here."""
    return {"set": role, "key": key, "person": person, "is": what, "score": score}


def shown(examples: Sequence[Example], images: Images | None) -> list[Example]:
    """The examples with pictures; images: None for a page without faces."""
    return [
        {
            **example,
            "photos": [
                {
                    **photo,
                    "name": photo_name(photo["key"]),
                    "thumbnail": thumbnail(photo["key"], images.get(photo["set"]) if images else None),
                }
                for photo in example["photos"]
            ],
        }
        for example in examples
    ]
