"""Five landmarks -> similarity transform -> crop: the only place that knows where landmarks belong in a crop.

Coordinates are 0-based everywhere: (0, 0) is the centre of the top left pixel, x goes right and y down.

The transform has four degrees of freedom (scale, rotation, translation) and never reflects. With a point as
the complex number x + iy it is z -> c z + d, and fitting c and d is least squares with one complex unknown
each:

    inverse   template -> photo is fitted, in photo pixels, and inverted: Matlab's cp2tform, SphereFace's way
    forward   photo -> template is fitted, in crop pixels: the way of Umeyama, skimage and insightface

Both agree where the landmarks are an exact similarity of the template. Elsewhere the inverse fit's scale is
1 / r^2 times the forward fit's, where r is the correlation of the two sets of points: over LFW 2.4 % more.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import cv2
import numpy as np

from .errors import LandmarksError
from .exact_warp import exact_warp

Fit = Literal["inverse", "forward"]
Warp = Literal["opencv", "exact"]


@dataclass(frozen=True, eq=False)
class AlignmentTemplate:
    """Where the five landmarks lie in a crop of height x width pixels; points is (5, 2), (x, y), 0-based."""

    name: str
    height: int
    width: int
    points: np.ndarray


# Left eye, right eye, nose tip, left mouth corner, right mouth corner; left is the viewer's left.
# SphereFace publishes 30.2946, 51.6963, ... for Matlab, whose coordinates begin at 1: each is one less here.
_SPHEREFACE_112X96 = [
    (29.2946, 50.6963),
    (64.5318, 50.5014),
    (47.0252, 70.7366),
    (32.5493, 91.3655),
    (61.7299, 91.2041),
]
# clcarwin's PyTorch port takes the published numbers as 0-based, so that its crops show the face one pixel
# further right and down; so do the weights that were trained on them, and a pixel moves an embedding.
_SPHEREFACE_112X96_CLCARWIN = [
    (30.2946, 51.6963),
    (65.5318, 51.5014),
    (48.0252, 71.7366),
    (33.5493, 92.3655),
    (62.7299, 92.2041),
]
# insightface adds 8 to SphereFace's published x and takes the sums as 0-based, and so have the networks that
# were trained on its crops. Nothing is subtracted here: the face lies 9 pixels further right than above, 1
# further down.
_ARCFACE_112X112 = [
    (38.2946, 51.6963),
    (73.5318, 51.5014),
    (56.0252, 71.7366),
    (41.5493, 92.3655),
    (70.7299, 92.2041),
]

ALIGNMENT_TEMPLATES = {
    template.name: template
    for template in (
        AlignmentTemplate("sphereface_112x96", 112, 96, np.array(_SPHEREFACE_112X96)),
        AlignmentTemplate("sphereface_112x96_clcarwin", 112, 96, np.array(_SPHEREFACE_112X96_CLCARWIN)),
        AlignmentTemplate("arcface_112x112", 112, 112, np.array(_ARCFACE_112X112)),
    )
}


def similarity(landmarks: np.ndarray, template_points: np.ndarray, fit: Fit = "inverse") -> np.ndarray:
    """The similarity transform photo -> crop, float64 (2, 3), that takes landmarks (5, 2) to template_points.

    Raises LandmarksError for landmarks that determine none: not five finite points, all in one place, or so
    unlike a face that the best fit has no size.
    """
    if fit not in get_args(Fit):
        raise ValueError(f"fit must be inverse or forward, got {fit!r}")
    landmarks = np.asarray(landmarks, dtype=np.float64)
    if landmarks.shape != (5, 2) or not np.isfinite(landmarks).all():
        raise LandmarksError(f"landmarks must be five finite points (x, y), got {landmarks.tolist()}")
    photo, crop = landmarks @ [1, 1j], template_points @ [1, 1j]  # (5,) complex
    photo_centre, crop_centre = photo.mean(), crop.mean()
    photo, crop = photo - photo_centre, crop - crop_centre
    photo_spread, crop_spread = (abs(photo) ** 2).sum(), (abs(crop) ** 2).sum()
    product = (photo.conj() * crop).sum()
    if abs(product) ** 2 <= 1e-6 * photo_spread * crop_spread:  # r^2 is about 0.97 for faces
        raise LandmarksError(f"no similarity transform takes the landmarks {landmarks.tolist()} to a face")
    # Forward, c minimises |c photo - crop|^2; inverse, 1 / c minimises |crop / c - photo|^2.
    c = product / photo_spread if fit == "forward" else crop_spread / product.conj()
    d = crop_centre - c * photo_centre
    return np.array([[c.real, -c.imag, d.real], [c.imag, c.real, d.imag]])


def opencv_warp(photo: np.ndarray, matrix: np.ndarray, template: AlignmentTemplate) -> np.ndarray:
    """The crop uint8 (height, width, 3): photo seen through matrix (2, 3), bilinear, black outside the photo.

    No antialiasing, as in Matlab's imtransform: a face larger than the template is sampled, not averaged.
    """
    # OpenCV warps sources of less than 32,768 pixels a side: hand over the part that the crop sees, and a
    # border.
    corners = [(x, y, 1) for x in (0, template.width - 1) for y in (0, template.height - 1)]
    seen = corners @ cv2.invertAffineTransform(matrix).T  # (4, 2) photo pixels
    size = photo.shape[1], photo.shape[0]
    left, top = np.clip(np.floor(seen.min(axis=0)) - 1, 0, size).astype(int)
    right, bottom = np.clip(np.ceil(seen.max(axis=0)) + 2, 0, size).astype(int)
    if left == right or top == bottom:  # the face lies outside the photo
        return np.zeros((template.height, template.width, 3), np.uint8)
    matrix = np.hstack([matrix[:, :2], matrix @ [[left], [top], [1]]])
    part = photo[top:bottom, left:right]
    return cv2.warpAffine(part, matrix, (template.width, template.height), flags=cv2.INTER_LINEAR)


def align(
    photo: np.ndarray,
    landmarks: np.ndarray,
    template: AlignmentTemplate,
    fit: Fit = "inverse",
    warp: Warp = "opencv",
) -> np.ndarray:
    """The crop uint8 (height, width, 3) of the face with landmarks (5, 2) in photo uint8 (H, W, 3)."""
    matrix = similarity(landmarks, template.points, fit)
    if warp == "exact":
        return exact_warp(photo, matrix, template.height, template.width)
    return opencv_warp(photo, matrix, template)


def fit_residual(landmarks: np.ndarray, template: AlignmentTemplate, fit: Fit = "inverse") -> float:
    """How far landmarks (5, 2) are from a face's: root mean square distance to the template, in crop pixels.

    Raises ValueError, as similarity does.
    """
    matrix = similarity(landmarks, template.points, fit)
    return float(rms_distance(landmarks @ matrix[:, :2].T + matrix[:, 2], template.points))


def is_aligned(landmarks: np.ndarray, template: AlignmentTemplate, tolerance: float) -> bool:
    """Whether landmarks (5, 2) lie on the template as they are: root mean square distance <= tolerance."""
    return bool(rms_distance(landmarks, template.points) <= tolerance)


def rms_distance(points: np.ndarray, others: np.ndarray) -> np.floating:
    """Root mean square distance of points (N, 2) from others (N, 2)."""
    return np.sqrt(((points - others) ** 2).sum(axis=1).mean())
