"""Recognises photos that are aligned crops already: aligning them a second time does silent harm."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from sphereface_plus.data.formats.manifest import MANIFEST
from sphereface_plus.words import counted

from .alignment import ALIGNMENT_TEMPLATES, is_aligned
from .detection import Detector, pick
from .images import PhotoError, read_photo
from .layouts import Photo, Photos

_SAMPLE = 24
# Pixels, root mean square over the five. Detected in aligned LFW crops, landmarks lie 3 from the template in
# the median and never more than 6.2 (no face is an exact similarity of it). In LFW faces that were cut out by
# their boxes and resized they lie 12 from it in the median, and less than 7 in 4 % at most.
_TOLERANCE = 7.0


def find_alignment(
    found: Photos, detector: Detector | None, landmarks: dict[str, np.ndarray] | None
) -> str | None:
    """Why the photos are taken for aligned already, as the rest of a sentence; None where they are not.

    A manifest beside them says so. Else some of the photos are looked at: if most have a template's size, and
    the landmarks (those given, or detected ones) lie on the template, they are aligned.
    """
    if (found.root / MANIFEST).exists():
        return f"the folder holds a {MANIFEST} of aligned crops"
    sample = found.photos[:: -(-len(found.photos) // _SAMPLE)]
    on_template = [
        template for photo in sample if (template := _template_of(found.root, photo, detector, landmarks))
    ]
    for name in sorted(set(on_template)):
        count = on_template.count(name)
        if 2 * count > len(sample):
            return f"in {count} of {counted(len(sample), 'photo')} the landmarks lie on {name} already"
    return None


def _template_of(
    root: Path, photo: Photo, detector: Detector | None, landmarks: dict[str, np.ndarray] | None
) -> str | None:
    try:
        pixels = read_photo(root / photo.path)
    except PhotoError:
        return None  # reported when it is that photo's turn
    templates = [t for t in ALIGNMENT_TEMPLATES.values() if (t.height, t.width) == pixels.shape[:2]]
    points = None
    if templates and landmarks is not None:
        points = landmarks.get(photo.path)
    elif templates and detector is not None:
        (faces,) = detector.detect([pixels])
        chosen = pick(faces, pixels.shape)
        points = faces.landmarks[chosen[0]] if len(chosen) else None
    return next((t.name for t in templates if points is not None and is_aligned(points, t, _TOLERANCE)), None)
