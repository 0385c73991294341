"""The crop of one photo that a person asks about: it shows one face, or it is said which is meant."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from data_prep.images import read_photo
from sphereface_plus.config import InputSpec
from sphereface_plus.data.crops import read_crop

from .errors import PhotosError

if TYPE_CHECKING:
    from data_prep.settings import Cropping


def crop_of_photo(
    photo: Path, spec: InputSpec, cropping: Callable[[], Cropping], face: str | None
) -> tuple[np.ndarray, list[str]]:
    """The crop uint8 RGB (H, W, 3) of a photo, and notes on it.

    An image of exactly the size of the model's crops is taken for a crop; any other is aligned as `cropping`
    says. face: which of several faces is meant (detection.pick); None: a photo of several is refused.
    Raises PhotosError, PrepError for what is not an image, and what `cropping` raises.
    """
    pixels = read_photo(photo)
    if pixels.shape[:2] == (spec.height, spec.width):
        return pixels, []
    from data_prep.cropping import Cropper, one_thread
    from data_prep.folders import Photo

    settings = replace(cropping(), face=face or "centre", fallback="relaxed")
    with tempfile.TemporaryDirectory() as place, one_thread():
        done = Cropper(photo.parent, Path(place), settings, None)(Photo(photo.name, "photo"))
        if not done.crops:
            raise PhotosError(
                f"{photo}: {done.problem}{f' ({done.detail})' if done.detail else ''}; give a photo with a "
                f"face in it, or a crop of {spec.height}x{spec.width}"
            )
        row = done.crops[0].row
        crop = read_crop(Path(place) / row.path)
    if (row.num_faces or 0) > 1 and face is None:
        raise PhotosError(
            f"{photo}: shows {row.num_faces:g} faces; say with --face which is meant: centre, largest or "
            "confident"
        )
    notes = []
    if row.method == "relaxed":
        notes.append(f"{photo}: a face was found only with lower thresholds of the detector")
    if row.turned:
        notes.append(f"{photo}: was turned by {row.turned:g} degrees, so that its face stands upright")
    return crop, notes
