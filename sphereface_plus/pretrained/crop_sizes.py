"""Which crops a network was made for: its file does not say, the size of its last map does."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from sphereface_plus.config import InputSpec
from sphereface_plus.pretrained.errors import PretrainedError

# Pixels of the last map, after four halvings -> template, height and width of the crops.
_CROPS = {7 * 6: ("sphereface_112x96", 112, 96), 7 * 7: ("arcface_112x112", 112, 112)}


def input_spec(file: Path, pixels: int, *, color: Literal["bgr", "rgb"], std: float) -> InputSpec:
    """The input spec of a network whose last map has so many pixels, fed (v - 127.5) / std.

    Raises PretrainedError for a map of other crops than 112x96 and 112x112.
    """
    if pixels not in _CROPS:
        raise PretrainedError(
            f"{file}: its last layer takes maps of {pixels} pixels; crops of 112x96 give {7 * 6}, crops of "
            f"112x112 give {7 * 7}, and no others are known"
        )
    template, height, width = _CROPS[pixels]
    return InputSpec(template=template, height=height, width=width, color=color, std=(std, std, std))
