"""How a photo becomes crops: every setting that changes a crop's pixels, name or number.

Apart from the code that uses them (cropping.py), so that the command line shows them without importing torch.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from .alignment import ALIGNMENT_TEMPLATES, Fit, Warp
from .detection import RULES, Rule
from .errors import PrepError

Fallback = Literal["none", "relaxed", "centre"]
Format = Literal["png", "jpg"]

CHOICES: dict[str, tuple[str, ...]] = {
    "template": tuple(ALIGNMENT_TEMPLATES),
    "fit": get_args(Fit),
    "warp": get_args(Warp),
    "face": RULES,
    "fallback": get_args(Fallback),
    "format": get_args(Format),
}
RELAXED_THRESHOLD = 0.5
"""Last threshold of the detector's second try."""


@dataclass(frozen=True)
class Cropping:
    """Raises PrepError for values that are not a choice."""

    template: str = "sphereface_112x96"
    """Alignment template."""
    fit: Fit = "inverse"
    """Which least squares the similarity transform is (alignment.py)."""
    warp: Warp = "opencv"
    """What computes the pixels: OpenCV, whose versions differ, or exact_warp.py, the same everywhere."""
    face: Rule = "centre"
    """Which of several faces is meant (detection.py)."""
    fallback: Fallback = "none"
    """For a photo without a face: leave it out, try RELAXED_THRESHOLD, or that and then the usual place."""
    format: Format = "png"
    quality: int = 95
    """Of jpg."""
    min_face: float = 20
    """Side of the smallest face, pixels."""
    factor: float = 0.85
    """Ratio of the sizes at which the detector looks at a photo."""
    thresholds: tuple[float, float, float] = (0.6, 0.7, 0.9)
    """Of the detector's three stages."""

    def __post_init__(self) -> None:
        for name, choices in CHOICES.items():
            if getattr(self, name) not in choices:
                raise PrepError(f"{name} must be one of {', '.join(choices)}, got {getattr(self, name)!r}")
        if not 1 <= self.quality <= 100:
            raise PrepError(f"quality must be 1 to 100, got {self.quality}")
