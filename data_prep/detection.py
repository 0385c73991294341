"""What a face detector gives, and which of the faces in a photo is meant."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, get_args

import numpy as np

Rule = Literal["centre", "largest", "confident", "all"]
RULES: tuple[str, ...] = get_args(Rule)


@dataclass(frozen=True, eq=False)
class Faces:
    """The N faces of one photo, most confident first, in 0-based photo pixels; arrays are float64."""

    boxes: np.ndarray
    """(N, 4): left, top, right, bottom; they may reach beyond the photo."""
    scores: np.ndarray
    """(N,): the detector's confidence, 0 to 1."""
    landmarks: np.ndarray
    """(N, 5, 2): (x, y) of left eye, right eye, nose tip, mouth corners; left as one sees it."""

    def __len__(self) -> int:
        return len(self.boxes)


class Detector(Protocol):
    """Finds faces. What it finds in a photo depends on that photo only, not on the others of the call."""

    @property
    def settings(self) -> dict[str, Any]:
        """What determines the result, as plain data for the record."""
        ...

    def detect(self, photos: Sequence[np.ndarray]) -> list[Faces]:
        """The faces of each photo; photos are uint8 (H, W, 3) RGB and may differ in size."""
        ...


def pick(faces: Faces, photo_shape: tuple[int, ...], rule: Rule = "centre") -> np.ndarray:
    """Indices (K,) of the faces that are meant in a photo of photo_shape (H, W, ...).

    centre      the box centre nearest to the photo's centre, as in SphereFace: size and score play no role
    largest     the largest box area
    confident   the highest score
    all         each face

    Of equals the first is taken; without faces the result is empty. Raises ValueError for another rule.
    """
    if rule not in RULES:
        raise ValueError(f"the rule for several faces must be one of {', '.join(RULES)}, got {rule!r}")
    if rule == "all" or len(faces) == 0:
        return np.arange(len(faces))
    left, top, right, bottom = faces.boxes.T
    if rule == "centre":
        height, width = photo_shape[:2]
        badness = ((left + right - width) / 2) ** 2 + ((top + bottom - height) / 2) ** 2
    elif rule == "largest":
        badness = -(right - left) * (bottom - top)
    else:
        badness = -faces.scores
    return np.array([np.argmin(badness)])
