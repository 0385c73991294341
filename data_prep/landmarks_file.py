"""Landmarks that are known already, found by somebody else or drawn: a text file that replaces detection."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

import numpy as np

from sphereface_plus.data.formats.kinds import refusal
from sphereface_plus.files import text_of

from .errors import PrepError


def read_landmarks(path: Path) -> dict[str, np.ndarray]:
    """Landmarks (5, 2) of each photo, by the photo's path.

    A line is a path, a tab and ten numbers, x and y of the five points in 0-based photo pixels; one more
    field between path and numbers (clcarwin's class label) is skipped. Raises PrepError with file and line.
    """
    needed = "a file of landmarks is needed, a path, a tab and ten numbers a line"
    if (words := refusal(path, needed, takes=["landmarks"])) is not None:
        raise PrepError(words)
    lines = text_of(path, PrepError, "a text file in UTF-8, as --landmarks takes it").splitlines()
    landmarks: dict[str, np.ndarray] = {}
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        name, _, rest = line.partition("\t")
        fields = rest.split()
        try:
            points = np.array([float(field) for field in fields[-10:]])
        except ValueError:
            points = np.array([np.nan])
        if len(fields) not in (10, 11) or not np.isfinite(points).all():
            raise PrepError(f"{path}:{number}: expected a path, a tab and ten numbers, got {line[:80]!r}")
        name = PurePosixPath(name.strip()).as_posix()
        if name in landmarks:
            raise PrepError(f"{path}:{number}: {name} has landmarks already; one face a photo can be given")
        landmarks[name] = points.reshape(5, 2)
    if not landmarks:
        raise PrepError(f"{path}: the file holds no landmarks")
    return landmarks


def line_of(path: str, landmarks: np.ndarray) -> str:
    """A line of such a file: landmarks (5, 2) of the photo at the path, to thousandths of a pixel."""
    return "\t".join([path, *(f"{value:.3f}" for value in landmarks.ravel())]) + "\n"
