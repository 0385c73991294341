"""One photo: the person is painted from back to front, then lit and exposed."""

from __future__ import annotations

import numpy as np

from .canvas import Canvas, curve, ellipse, mirrored
from .features import draw_beard, draw_brow, draw_eye, draw_glasses, draw_mouth, draw_nose
from .hair import draw_cap, draw_hair_behind, draw_hair_in_front
from .light import draw_backdrop, expose, light_on
from .people import Person, Shot


def draw_photo(person: Person, shot: Shot) -> np.ndarray:
    """The photo, uint8 (SIZE, SIZE, 3) RGB: a pure function of the person and the shot."""
    random = np.random.default_rng(shot.seed)
    canvas = Canvas(draw_backdrop(random), turn_of(shot), shot.scale, shot.centre)
    _shoulders(canvas, person, shot)
    if not person.bald:
        draw_hair_behind(canvas, person, shot)
    _head(canvas, person)
    _skin(canvas, person)
    draw_nose(canvas, person)
    draw_mouth(canvas, person, shot)
    draw_beard(canvas, person, shot)
    for side in (-1, 1):
        draw_eye(canvas, person, shot, side)
    if not person.bald:
        draw_hair_in_front(canvas, person, shot)
    for side in (-1, 1):
        draw_brow(canvas, person, shot, side)
    if shot.glasses:
        draw_glasses(canvas, person)
    if shot.cap:
        draw_cap(canvas, person, shot)
    return expose(canvas.pixels * light_on(canvas, person, shot), shot, random)


def turn_of(shot: Shot) -> np.ndarray:
    """How the head is turned, (3, 3)."""
    cos, sin = np.cos([shot.yaw, shot.pitch, shot.roll]), np.sin([shot.yaw, shot.pitch, shot.roll])
    yaw = np.array([[cos[0], 0, sin[0]], [0, 1, 0], [-sin[0], 0, cos[0]]])
    pitch = np.array([[1, 0, 0], [0, cos[1], sin[1]], [0, -sin[1], cos[1]]])
    roll = np.array([[cos[2], -sin[2], 0], [sin[2], cos[2], 0], [0, 0, 1]])
    return roll @ pitch @ yaw


def _shoulders(canvas: Canvas, person: Person, shot: Shot) -> None:
    tall = (1, person.face_height, 1)
    canvas.fill(
        np.array([(-0.6, 0.9, -0.2), (0.6, 0.9, -0.2), (0.66, 2.4, -0.3), (-0.66, 2.4, -0.3)]) * tall,
        person.skin * 0.74,
    )
    right = curve(np.array([(0.62, 1.95, -0.3), (1.5, 2.2, -0.3), (2.6, 2.9, -0.3), (2.8, 5, -0.3)]) * tall)
    canvas.fill(np.vstack([right, right[::-1] * (-1, 1, 1)]), shot.cloth)
    collar = np.array([(-0.62, 1.95, -0.3), (0, 2.3, 0), (0.62, 1.95, -0.3)]) * tall
    canvas.line(curve(collar), shot.cloth * 0.6, 0.08)


def _head(canvas: Canvas, person: Person) -> None:
    for side in (-1, 1):
        rim = ellipse(side * 1.06, 0.12, 0.45 * person.ear, 1.35 * person.ear)
        ear = np.column_stack([rim, np.full(len(rim), -0.1)])
        canvas.fill(ear, person.skin * (0.9, 0.84, 0.84), head=True)
        canvas.line(ear[3:16] * (1, 0.8, 1), person.skin * 0.62, 0.02)
    half = [
        (0, -1.62, 0.1),
        (0.66, -1.36, 0.05),
        (0.95, -0.8, 0),
        (1.0, -0.2, 0),
        (person.cheek, 0.3, 0.08),
        (person.jaw, 0.98, 0.28),
        (person.chin, 1.42, 0.5),
        (0, 1.5, 0.55),
    ]
    canvas.fill(mirrored(np.array(half) * (1, person.face_height, 1)), person.skin, head=True)


def _skin(canvas: Canvas, person: Person) -> None:
    """Cheeks, eye sockets, the lines of age, freckles and moles."""
    skin, eye, age = person.skin, np.array([person.eye_distance, person.eye_y]), person.age
    for side in (-1, 1):
        mirror = (side, 1)
        for size in (1.0, 0.7):  # two steps make a soft border
            canvas.fill(ellipse(side * 0.52, 0.5, 0.26 * size, 0.2 * size), skin * (1, 0.85, 0.83), 0.28)
            socket = ellipse(eye[0], eye[1] - 0.03, 0.33 * size, 0.21 * size) * mirror
            canvas.fill(socket, skin * (0.72, 0.64, 0.62), 0.3)
        bag = curve(np.array([(-0.2, 0.13), (0, 0.2 + 0.03 * age), (0.2, 0.12)]) + eye)
        canvas.line(bag * mirror, skin * 0.62, 0.022, 0.15 + 0.5 * age)
        fold = curve([(0.29, 0.5), (0.41, 0.68), (0.47, 0.88)])
        canvas.line(fold * mirror, skin * 0.68, 0.025, 0.06 + 0.4 * age)
    for y in (-0.62, -0.76, -0.9):
        canvas.line(curve([(-0.5, y + 0.03), (0, y), (0.5, y + 0.04)]), skin * 0.66, 0.018, 0.8 * (age - 0.3))
    freckles = np.random.default_rng(person.seed).normal((0, 0.35), (0.36, 0.13), (person.freckles, 2))
    for x, y in freckles:
        canvas.line([(x, y), (x + 0.012, y)], skin * (0.78, 0.66, 0.58), 0.025)
    for x, y in person.moles:
        canvas.line([(x, y), (x + 0.01, y)], skin * 0.35, 0.055)
