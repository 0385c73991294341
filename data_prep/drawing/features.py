"""Eyes, brows, nose, mouth, beard and glasses. `side` is -1 for the viewer's left and 1 for the right."""

from __future__ import annotations

import numpy as np

from .canvas import Canvas, curve, depth, ellipse, mirrored, on_head
from .people import Person, Shot

_PUPIL, _GLINT, _EYEBALL = np.array((12, 10, 10)), np.array((250, 250, 250)), np.array((232, 226, 220))
_LIPS, _THROAT, _TEETH = np.array((178, 62, 72)), np.array((62, 22, 24)), np.array((226, 220, 208))
_LENS = np.array((225, 235, 240))


def draw_eye(canvas: Canvas, person: Person, shot: Shot, side: int) -> None:
    """The eyeball, seen through the opening of the lids, with lashes and the fold above."""
    w = person.eye_width
    h = w * person.eye_opening * shot.eye_open * (1 - 0.18 * max(0.0, shot.smile))
    slant = np.array([[1, -np.tan(person.eye_slant)], [0, 1]])

    def place(points: np.ndarray) -> np.ndarray:
        """From the eye's own frame, x towards the temple, to the head's."""
        return (points @ slant + (person.eye_distance, person.eye_y)) * (side, 1)

    upper = np.array([(-w, 0.02), (-0.5 * w, -0.75 * h), (0.1 * w, -h), (0.62 * w, -0.66 * h), (w, 0)])
    lower = np.array([(0.6 * w, 0.5 * h), (0, 0.72 * h), (-0.6 * w, 0.45 * h)])
    opening = place(curve(np.vstack([upper, lower]), closed=True))
    iris = place(np.array([(side * 0.45 * w * shot.gaze[0], (0.5 * shot.gaze[1] - 0.12) * h)]))
    with canvas.only_inside(opening):
        canvas.fill(opening, _EYEBALL)
        canvas.fill(iris + ellipse(0, 0, 0.105, 0.105), person.iris * 0.6)
        canvas.fill(iris + ellipse(0, 0, 0.088, 0.088), person.iris)
        canvas.fill(iris + ellipse(0, 0, 0.045, 0.045), _PUPIL)
        canvas.fill(iris + ellipse(-0.035, -0.035, 0.02, 0.02), _GLINT)
    canvas.line(place(curve(upper)), np.minimum(person.hair * 0.5, 60), 0.036)
    rim = np.vstack([upper[-1:], lower, upper[:1]])
    canvas.line(place(curve(rim)), person.skin * (0.55, 0.45, 0.42), 0.014, 0.7)
    if person.lid > 0.2:
        fold = curve(upper * (1, 1.15) - (0, 0.05 + 0.035 * person.lid))
        canvas.line(place(fold), person.skin * (0.55, 0.46, 0.44), 0.02, min(0.9, 0.3 + 0.4 * person.lid))


def draw_brow(canvas: Canvas, person: Person, shot: Shot, side: int) -> None:
    """Thick above the inner corner of the eye, thin at the temple."""
    x = np.array([-1.0, -0.4, 0.3, 1.0]) * person.brow_width
    middle = np.array([0.02, -0.5, -1.0, 0.35]) * person.brow_arch - person.brow_slant * x
    half = np.array([0.75, 1.0, 0.8, 0.15]) * person.brow_thickness
    shape = curve(
        np.vstack([np.column_stack([x, middle - half]), np.column_stack([x, middle + half])[::-1]]),
        closed=True,
    )
    shape += (person.eye_distance + person.brow_gap, person.eye_y - person.brow_rise - 0.05 * shot.brow_lift)
    canvas.fill(on_head(shape * (side, 1), 0.04), person.hair * 0.75, 0.88)


def draw_nose(canvas: Canvas, person: Person) -> None:
    """Flanks, wings, nostrils and the light on the tip; most of the nose is relief (light.py)."""
    skin, width, bridge, height = person.skin, person.nose_width, person.nose_bridge, person.nose_height
    top, tip = person.eye_y, person.eye_y + person.nose_length
    base, middle = float(depth(width, tip)), float(depth(0, tip))
    for side in (-1, 1):
        mirror = (side, 1, 1)
        flank = [
            (bridge, top, depth(bridge, top) + 0.02),
            (0.95 * bridge, top + 0.45 * person.nose_length, depth(bridge, 0.1) + 0.5 * height),
            (0.62 * width, tip - 0.08, base + 0.6 * height),
            (width, tip + 0.03, base + 0.15 * height),
        ]
        canvas.line(curve(flank) * mirror, skin * (0.76, 0.7, 0.68), 0.035, 0.38)
        wing = [
            (0.9 * width, tip - 0.08, base + 0.2 * height),
            (1.04 * width, tip + 0.03, base + 0.1 * height),
            (0.75 * width, tip + 0.1, base + 0.3 * height),
        ]
        canvas.line(curve(wing) * mirror, skin * (0.58, 0.48, 0.45), 0.03, 0.8)
        nostril = ellipse(0.48 * width, tip + 0.085, 0.058, 0.024)
        nostril = np.column_stack([nostril, np.full(len(nostril), middle + 0.6 * height)])
        canvas.fill(nostril * mirror, skin * (0.36, 0.26, 0.23))
    under = [
        (-0.42 * width, tip + 0.09, middle + 0.6 * height),
        (0, tip + 0.13, middle + 0.8 * height),
        (0.42 * width, tip + 0.09, middle + 0.6 * height),
    ]
    canvas.line(curve(under), skin * (0.6, 0.5, 0.47), 0.03, 0.7)
    _, y, z = nose_tip(person)
    canvas.line([(-0.05, y, z), (0.05, y, z)], skin * 1.22 + 12, 0.07, 0.35)


def nose_tip(person: Person) -> tuple[float, float, float]:
    """(x, y, z) of the light on it."""
    tip = person.eye_y + person.nose_length
    return 0.0, tip - 0.06, float(depth(0, tip)) + person.nose_height


def draw_mouth(canvas: Canvas, person: Person, shot: Shot) -> None:
    """Lips; between them a line, or teeth where the mouth is open; the shade above the chin."""
    gap = 0.16 * shot.open_mouth
    corner = _corner(person, shot)
    upper, lower = person.upper_lip * (1 - 0.2 * max(0.0, shot.smile)), person.lower_lip
    lips = (1 - person.redness) * person.skin * (0.82, 0.55, 0.55) + person.redness * _LIPS
    lips = lips * np.clip(person.skin.mean() / 190, 0.5, 1.05)

    def place(points: np.ndarray) -> np.ndarray:
        return _of_mouth(points, person, shot)

    bow = [(-1, corner), (-0.5, -0.8 * upper), (-0.16, -1.25 * upper), (0, -upper)]
    bow += [(0.16, -1.25 * upper), (0.5, -0.8 * upper), (1, corner)]
    bottom = [(0.55, gap + 0.85 * lower), (0, gap + 1.15 * lower), (-0.55, gap + 0.85 * lower)]
    canvas.fill(place(curve([*bow, *bottom], closed=True)), lips)
    between = [(-0.92, corner), (-0.4, 0), (0, 0.012), (0.4, 0), (0.92, corner)]
    if gap > 0.02:
        jaw = [(0.5, 0.85 * gap), (0, gap), (-0.5, 0.85 * gap)]
        canvas.fill(place(curve([*between, *jaw], closed=True)), _THROAT)
        row = curve(between[1:4]) * (0.92, 1)
        canvas.fill(
            place(np.vstack([row + np.array((0, 0.01)), row[::-1] + np.array((0, min(0.1, 0.6 * gap)))])),
            _TEETH,
        )
    else:
        canvas.line(place(curve(between)), lips * 0.42, 0.03)
    shine = np.array([(-0.3, gap + 0.5 * lower), (0.3, gap + 0.5 * lower)])
    canvas.line(place(shine), lips * 1.3 + 15, 0.03, 0.4)
    chin = np.array([(-0.2, 0.24), (0, 0.21), (0.2, 0.24)]) + np.array((0, person.mouth_y + gap))
    canvas.line(curve(chin), person.skin * 0.66, 0.05, 0.4)


def mouth_corners(person: Person, shot: Shot) -> np.ndarray:
    """(2, 3) on the head, the viewer's left one first."""
    corner = _corner(person, shot)
    return _of_mouth(np.array([(-1, corner), (1, corner)]), person, shot)


def _corner(person: Person, shot: Shot) -> float:
    """How much lower than the mouth's middle its corners are."""
    return person.mouth_droop - 0.09 * shot.smile


def _of_mouth(points: np.ndarray, person: Person, shot: Shot) -> np.ndarray:
    """From the mouth's own frame, whose corners are at x = -1 and 1, to the head's: (N, 2) -> (N, 3)."""
    half = person.mouth_width * (1 + 0.14 * shot.smile)
    return on_head(points * (half, 1) + (0, person.mouth_y), 0.06)


def draw_beard(canvas: Canvas, person: Person, shot: Shot) -> None:
    """A full beard around the mouth, a moustache above it."""
    mouth, width, tall = person.mouth_y, person.mouth_width, person.face_height
    if person.beard:
        half = [
            (0, mouth + 0.2 + 0.16 * shot.open_mouth),
            (0.9 * width, mouth + 0.12),
            (0.86 * person.jaw, mouth - 0.12),
            (0.93, 0.3),
            (0.97, 0.28),
            (person.jaw, 0.98 * tall),
            (1.02 * person.chin, 1.42 * tall),
            (0, 1.49 * tall),
        ]
        canvas.fill(mirrored(half), person.hair * 0.9, min(0.9, 0.25 + 0.7 * person.beard))
    if person.moustache:
        top = person.eye_y + person.nose_length + 0.15
        half = [
            (0, top),
            (0.6 * width, top + 0.03),
            (1.08 * width, mouth + 0.05),
            (0.6 * width, mouth - 0.03),
            (0, mouth - 0.04),
        ]
        canvas.fill(mirrored(half), person.hair * 0.85, 0.4 + 0.55 * person.moustache)


def draw_glasses(canvas: Canvas, person: Person) -> None:
    """Round or squarish frames."""
    width, y = person.glasses_width, person.eye_y + 0.04
    power, height = (1.0, 0.95) if person.glasses_round else (0.55, 0.75)
    around = ellipse(0, 0, 1, 1, corners=28)
    rim = np.sign(around) * np.abs(around) ** power * (width, width * height)
    centre = 1.02 * person.eye_distance
    for side in (-1, 1):
        lens = on_head(rim + np.array((side * centre, y)), 0.12)
        canvas.fill(lens, _LENS, 0.1)
        canvas.line(np.vstack([lens, lens[:1]]), person.glasses_colour, person.glasses_rim)
        canvas.line(
            [(side * (centre + width), y, 0.85), (side * 1.02, y - 0.06, 0)], person.glasses_colour, 0.04
        )
    bridge = curve([(width - centre, y - 0.04), (0, y - 0.09), (centre - width, y - 0.04)])
    canvas.line(on_head(bridge, 0.14), person.glasses_colour, 0.04)
