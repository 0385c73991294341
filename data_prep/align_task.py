"""What a call of align was asked for: which photos, and all settings by which a crop of theirs is made."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .already_aligned import find_alignment
from .cropping import make_detector
from .errors import PrepError
from .landmarks_file import read_landmarks
from .layouts import Photos, find_photos, select_photos
from .mtcnn import MTCNN
from .settings import RELAXED_THRESHOLD, Cropping
from .turning import SETTINGS as TURNING


@dataclass(frozen=True)
class Task:
    out: Path
    found: Photos
    settings: Cropping
    landmarks: dict[str, np.ndarray] | None
    """(5, 2) by photo; in the place of detection."""
    detector: MTCNN | None
    record: dict[str, Any]
    """The settings, as the journal and the report have them."""

    def refuse_aligned(self) -> None:
        """Raises PrepError for photos that are crops already."""
        if reason := find_alignment(self.found, self.detector, self.landmarks):
            raise PrepError(
                f"{self.found.root}: is aligned already: {reason}; aligning again blurs and shifts faces; "
                "use its crops as they are, or give python -m data_prep align the option --realign"
            )


def task_of(
    photos: str | Path,
    out: Path,
    layout: str,
    list_file: str | Path | None,
    selection: Iterable[str] | None,
    min_images: int,
    landmarks: str | Path | None,
    settings: Cropping,
) -> Task:
    """The arguments are those of align.align_folder. Raises PrepError for bad input."""
    root = Path(photos)
    if out.resolve().is_relative_to(root.resolve()):
        raise PrepError(
            f"{out}: the crops must not lie in the folder of photos, where they would be taken for photos"
        )
    if selection is not None:
        found = select_photos(root, selection)
    else:
        list_path = Path(list_file) if list_file is not None else None
        found = find_photos(root, layout, list_file=list_path, min_images=min_images)
    known_landmarks = read_landmarks(Path(landmarks)) if landmarks is not None else None
    detector = make_detector(settings) if known_landmarks is None else None
    record = {
        "photos": str(root.resolve()),
        "layout": layout if selection is None else "selection",
        "min_images": min_images,
        **asdict(settings),
        "thresholds": list(settings.thresholds),
        "detector": detector.settings if detector else None,
        "turning": TURNING if detector else None,
        "relaxed_threshold": RELAXED_THRESHOLD if settings.fallback != "none" else None,
        "landmarks_sha256": hashlib.sha256(Path(landmarks).read_bytes()).hexdigest() if landmarks else None,
    }
    return Task(out, found, settings, known_landmarks, detector, record)
