"""Five landmarks -> similarity transform -> crop. The only place that knows where the landmarks belong in a crop.

Coordinates here are 0-based everywhere: (0, 0) is the centre of the top left pixel, x goes right, y goes down.

The transform has four degrees of freedom (scale, rotation, translation) and never reflects. With points as complex
numbers, x + iy, it is z -> c z + d, and c, d are a least-squares fit of one complex unknown each:

    inverse   template -> photo is fitted, in photo pixels, and then inverted: Matlab's cp2tform, which SphereFace uses
    forward   photo -> template is fitted, in crop pixels: Umeyama's, skimage's and insightface's way

Both agree on landmarks that are an exact similarity of the template. On others the inverse fit's scale is 1 / r^2
times the forward fit's, where r is the correlation of the two sets of points: 2.4 % more in the mean over LFW.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np

Fit = Literal["inverse", "forward"]


@dataclass(frozen=True, eq=False)
class AlignmentTemplate:
    """Where the five landmarks lie in a crop of height x width pixels; points is (5, 2), (x, y), 0-based."""

    name: str
    height: int
    width: int
    points: np.ndarray


def _template(name: str, height: int, width: int, points: list[tuple[float, float]]) -> AlignmentTemplate:
    array = np.array(points, dtype=np.float64)
    array.setflags(write=False)
    return AlignmentTemplate(name, height, width, array)


# Left eye, right eye, nose tip, left mouth corner, right mouth corner; left is the viewer's left.
ALIGNMENT_TEMPLATES = {
    template.name: template
    for template in (
        # SphereFace publishes 30.2946, 51.6963, ...: Matlab coordinates, which begin at 1. Here less 1.
        _template(
            "sphereface_112x96",
            112,
            96,
            [
                (29.2946, 50.6963),
                (64.5318, 50.5014),
                (47.0252, 70.7366),
                (32.5493, 91.3655),
                (61.7299, 91.2041),
            ],
        ),
        # insightface adds 8 to SphereFace's published x and uses the sums with OpenCV, whose coordinates begin at 0.
        # Networks trained on its crops have seen just that, so nothing is subtracted: against sphereface_112x96
        # the face lies 9 pixels further right and 1 further down.
        _template(
            "arcface_112x112",
            112,
            112,
            [
                (38.2946, 51.6963),
                (73.5318, 51.5014),
                (56.0252, 71.7366),
                (41.5493, 92.3655),
                (70.7299, 92.2041),
            ],
        ),
    )
}


def similarity(landmarks: np.ndarray, template_points: np.ndarray, fit: Fit = "inverse") -> np.ndarray:
    """The similarity transform photo -> crop, float64 (2, 3), that takes landmarks (5, 2) to template_points (5, 2).

    Raises ValueError for landmarks that determine no transform: not five finite points, all in one place, or so
    unlike a face that the best fit has no size.
    """
    landmarks = np.asarray(landmarks, dtype=np.float64)
    if landmarks.shape != (5, 2) or not np.isfinite(landmarks).all():
        raise ValueError(f"landmarks must be five finite (x, y) points, got {landmarks.tolist()}")
    photo, crop = landmarks @ [1, 1j], np.asarray(template_points, dtype=np.float64) @ [1, 1j]
    photo_centre, crop_centre = photo.mean(), crop.mean()
    photo, crop = photo - photo_centre, crop - crop_centre
    photo_square, crop_square = (abs(photo) ** 2).sum(), (abs(crop) ** 2).sum()
    product = (photo.conj() * crop).sum()
    if (
        abs(product) ** 2 <= 1e-6 * photo_square * crop_square
    ):  # r^2, the share of the spread that a similarity explains
        raise ValueError(f"no similarity transform takes the landmarks {landmarks.tolist()} to a face")
    if fit == "inverse":
        c = crop_square / product.conj()  # crop -> photo has conj(product) / crop_square
    elif fit == "forward":
        c = product / photo_square
    else:
        raise ValueError(f"fit must be 'inverse' or 'forward', got {fit!r}")
    d = crop_centre - c * photo_centre
    return np.array([[c.real, -c.imag, d.real], [c.imag, c.real, d.imag]])


def warp(photo: np.ndarray, matrix: np.ndarray, template: AlignmentTemplate) -> np.ndarray:
    """The crop uint8 (height, width, 3): photo seen through matrix (2, 3), bilinear, black outside of the photo.

    Without antialiasing, as Matlab's imtransform: a face larger than the template is sampled, not averaged.
    """
    # OpenCV takes sources of less than 32,768 pixels a side, so only the part that the crop sees is handed over.
    corners = [(x, y) for x in (0, template.width - 1) for y in (0, template.height - 1)]
    seen = cv2.invertAffineTransform(matrix) @ np.vstack(
        [np.transpose(corners), np.ones(4)]
    )  # (2, 4) photo pixels
    height, width = photo.shape[:2]
    left, top = np.clip(np.floor(seen.min(axis=1)) - 1, 0, (width, height)).astype(int)
    right, bottom = np.clip(np.ceil(seen.max(axis=1)) + 2, 0, (width, height)).astype(int)
    if left == right or top == bottom:
        return np.zeros((template.height, template.width, 3), np.uint8)
    shifted = matrix.copy()
    shifted[:, 2] += matrix[:, :2] @ (left, top)
    part = np.ascontiguousarray(photo[top:bottom, left:right])
    return cv2.warpAffine(part, shifted, (template.width, template.height), flags=cv2.INTER_LINEAR)


def align(
    photo: np.ndarray, landmarks: np.ndarray, template: AlignmentTemplate, fit: Fit = "inverse"
) -> np.ndarray:
    """The crop uint8 (height, width, 3) of the face with landmarks (5, 2) in photo uint8 (H, W, 3)."""
    return warp(photo, similarity(landmarks, template.points, fit), template)


def is_aligned(landmarks: np.ndarray, template: AlignmentTemplate, tolerance: float) -> bool:
    """Whether landmarks (5, 2) lie on the template already: root mean square distance of at most tolerance pixels."""
    distances = np.linalg.norm(np.asarray(landmarks, dtype=np.float64) - template.points, axis=1)
    return bool(np.sqrt((distances**2).mean()) <= tolerance)
