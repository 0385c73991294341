"""Around the head: the backdrop behind it, the light on its relief, and the camera's faults."""

from __future__ import annotations

import cv2
import numpy as np

from .canvas import SIZE, Canvas
from .people import Person, Shot, muted_colour

_COARSE = 2  # light varies slowly: it is computed on every second pixel


def draw_backdrop(random: np.random.Generator) -> np.ndarray:
    """uint8 (SIZE, SIZE, 3): one colour runs into another, shapes before them, more or less out of focus."""
    first, second = muted_colour(random), muted_colour(random)
    ramp = np.linspace(-0.5, 0.5, SIZE)
    mix = 0.5 + ramp[:, None] * random.uniform(-1, 1) + ramp[None, :] * random.uniform(-1, 1)
    image = (first + (second - first) * mix[..., None]).clip(0, 255).astype(np.uint8)
    for _ in range(random.integers(0, 14)):
        colour = muted_colour(random).tolist()
        x, y, width, height = random.uniform((-20, -20, 6, 6), (SIZE, SIZE, 90, 90)).astype(int).tolist()
        match random.integers(4):
            case 0:
                cv2.rectangle(image, (x, y), (x + width, y + height), colour, -1)
            case 1:
                cv2.ellipse(image, (x, y), (width // 2, height // 2), 0, 0, 360, colour, -1, cv2.LINE_AA)
            case 2:
                thickness = int(random.integers(1, 8))
                cv2.line(image, (x, y), (x + 2 * width, y + height), colour, thickness, cv2.LINE_AA)
            case _:
                corners = random.uniform(-60, 60, (3, 2)) + np.array((x, y))
                cv2.fillPoly(image, [corners.astype(np.int32)], colour, cv2.LINE_AA)
    return cv2.GaussianBlur(image, (0, 0), random.uniform(0.8, 6))


def light_on(canvas: Canvas, person: Person, shot: Shot) -> np.ndarray:
    """The factor of brightness, float32 (SIZE, SIZE, 1): Lambert's on the head, a slope on all else."""
    grid = np.arange(0, SIZE, _COARSE, dtype=np.float32) + (_COARSE - 1) / 2
    across, down = (grid - shot.centre[0]) / shot.scale, (grid - shot.centre[1]) / shot.scale
    relief = _relief(canvas, person, shot, across[None, :], down[:, None])
    per_unit = shot.scale / _COARSE / 8  # Sobel's kernel weighs 8; slopes are z per unit of the head's frame
    slope_x = cv2.Sobel(relief, cv2.CV_32F, 1, 0, scale=per_unit)
    slope_y = cv2.Sobel(relief, cv2.CV_32F, 0, 1, scale=per_unit)
    x, y, z = shot.light.tolist()
    lambert = (z - slope_x * x - slope_y * y) / np.sqrt(np.square(slope_x) + np.square(slope_y) + 1)
    lit = shot.ambient + (1.15 - shot.ambient) * np.maximum(0, lambert)
    lit = cv2.resize(lit, (SIZE, SIZE), interpolation=cv2.INTER_LINEAR)
    ramp = np.linspace(-0.5, 0.5, SIZE, dtype=np.float32)
    slope = 1 + 0.35 * np.float32(x) * ramp[None, :] + 0.35 * np.float32(y) * ramp[:, None]
    head = cv2.GaussianBlur(canvas.head, (0, 0), 0.7).astype(np.float32) / 255
    return (slope + head * (lit - slope))[..., None]


def _relief(canvas: Canvas, person: Person, shot: Shot, across: np.ndarray, down: np.ndarray) -> np.ndarray:
    """z of the head, in its own units, at the places across (1, W) and down (H, 1) of the photo."""
    cos, sin = np.float32(np.cos(shot.roll)), np.float32(np.sin(shot.roll))
    x, y = cos * across + sin * down, cos * down - sin * across  # (H, W), along the head
    z = np.sqrt(np.maximum(0.03, 1.1 - np.square(x / 1.08) - np.square(y / 1.85)))

    def bump(at: tuple[float, float, float], height: float, half_width: float, half_height: float) -> None:
        right, low = (canvas.project([at])[0] - shot.centre) / shot.scale
        u, v = cos * right + sin * low, cos * low - sin * right
        z[:] += height * np.exp(-0.5 * (np.square((x - u) / half_width) + np.square((y - v) / half_height)))

    eye, nose = person.eye_y, person.nose_length
    bump((0, eye + 0.55 * nose, 1.0), 0.55 * person.nose_height, 0.42 * person.nose_width, 0.33 * nose)
    bump((0, eye + 0.95 * nose, 1.1), 0.75 * person.nose_height, 0.62 * person.nose_width, 0.09)
    for side in (-1, 1):
        bump((side * person.eye_distance, eye, 0.85), -0.13, 0.22, 0.12)
        bump((side * 0.55, eye + 0.5, 0.75), 0.05 + 0.04 * max(0.0, shot.smile), 0.24, 0.2)
    bump((0, person.mouth_y, 0.85), 0.09, 0.3, 0.13)
    bump((0, 1.33 * person.face_height, 0.6), 0.1, person.chin, 0.12)
    return z.astype(np.float32)


def expose(photo: np.ndarray, shot: Shot, random: np.random.Generator) -> np.ndarray:
    """What the camera makes of light float32 (SIZE, SIZE, 3): exposure, tone curve, blur and noise; uint8."""
    photo = photo * (shot.gain * shot.cast / 255).astype(np.float32)
    photo /= np.sqrt(np.sqrt(1 + np.square(np.square(photo))))  # a soft shoulder: bright skin keeps its shape
    photo = 255 * photo ** np.float32(shot.gamma)
    if shot.blur > 0.2:
        photo = cv2.GaussianBlur(photo, (0, 0), shot.blur)
    photo += np.float32(shot.noise) * random.standard_normal(photo.shape, dtype=np.float32)
    return np.clip(photo + 0.5, 0, 255).astype(np.uint8)
