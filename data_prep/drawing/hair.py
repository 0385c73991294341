"""Hair behind and before the head, and caps."""

from __future__ import annotations

import numpy as np

from .canvas import Canvas, curve, depth, ellipse, mirrored
from .people import Person, Shot


def draw_hair_behind(canvas: Canvas, person: Person, shot: Shot) -> None:
    """Its outline is the head's, wider by the hair's volume, down to the hair's length."""
    tall, volume = person.face_height, person.hair_volume
    side = 1.03 + volume * (1 + 0.2 * shot.hair_change)
    end = person.hair_length + 0.05 * shot.hair_change
    half = [(0, -1.66 * tall - volume, -0.2), (0.74, -1.42 * tall - volume, -0.2)]
    half += [(side, -0.8 * tall, -0.25), (side, -0.1 * tall, -0.3)]
    if end > 0.2:
        half += [(side + 0.04 * end, 0.6 * end, -0.3), (side - 0.05, end, -0.3), (0.45, end + 0.1, -0.4)]
    half += [(0, max(0.2, end), -0.4)]
    shape = mirrored(half)
    canvas.fill(shape, person.hair * 0.72, head=True)
    if person.curls:
        random = np.random.default_rng(person.seed)
        for x, y, z in shape[random.permutation(len(shape))[:40]]:
            curl = ellipse(x, y, *random.uniform(0.1, 0.2, 2), corners=10)
            canvas.fill(
                np.column_stack([curl, np.full(10, z)]), person.hair * random.uniform(0.6, 0.85), head=True
            )


def draw_hair_in_front(canvas: Canvas, person: Person, shot: Shot) -> None:
    """From the crown to the hairline, with strands or curls of other shades."""
    tall, volume, part = person.face_height, person.hair_volume, person.parting
    side = [
        (1 + 0.4 * volume, -0.15, 0),
        (0.99 + 0.9 * volume, -0.75 * tall, 0),
        (0.74, -1.42 * tall - 0.9 * volume, 0.1),
    ]
    crown = curve(np.vstack([np.array(side) * (-1, 1, 1), (0, -1.64 * tall - volume, 0.1), side[::-1]]))
    x = np.array([0.97, 0.86, 0.72, 0.36, 0, -0.36, -0.72, -0.86, -0.97])
    y = person.hairline + np.array([0, 0, 0.12, 0.01, 0, 0.01, 0.12, 0, 0])
    y += person.hair_peak * np.exp(-np.square(x / 0.3)) - 0.12 * np.exp(-np.square((x - part) / 0.3))
    y += 0.03 * shot.hair_change * np.sin(3 * x)
    y[[0, 1, -2, -1]] = -0.12, -0.42, -0.42, -0.12
    front = np.column_stack([x, y, depth(0.95 * x, y) + 0.03])
    front[[0, -1], 2] = 0.05
    canvas.fill(np.vstack([crown, curve(front)]), person.hair, head=True)

    random = np.random.default_rng(person.seed)
    for start in random.uniform(-0.75, 0.75, 26):
        shade = person.hair * random.uniform(0.6, 1.5) + random.uniform(0, 8)
        end = start + 0.1 * random.normal()
        low = np.interp(end, x[::-1], y[::-1]) - 0.04
        if person.curls:
            height = random.uniform(min(-1.5 * tall, low), low)  # a receding line may lie above the crown
            lock = curve(ellipse(0.9 * start, height, *random.uniform(0.05, 0.12, 2), corners=7))
            canvas.line(np.column_stack([lock, depth(*lock.T) + 0.03]), (shade + person.hair) / 2, 0.025)
        else:
            top = (0.6 * start + 0.3 * part, -1.5 * tall - 0.6 * volume, 0.2)
            middle = (start, (low - 1.4) / 2 - 0.1, depth(0.9 * start, -0.9) + 0.05)
            tip = (end, low, depth(0.95 * end, low) + 0.03)
            canvas.line(curve(np.array([top, middle, tip])), (shade + person.hair) / 2, 0.012)


def draw_cap(canvas: Canvas, person: Person, shot: Shot) -> None:
    """A cap with a brim, down to the middle of the forehead."""
    tall, volume = person.face_height, person.hair_volume
    side = [(1.06 + volume, -0.75 * tall, 0.1), (0.75, -1.55 * tall - volume, 0.1)]
    top = np.vstack([np.array(side) * (-1, 1, 1), (0, -1.8 * tall - volume, 0.1), side[::-1]])
    brim = np.array([(0.6, -0.72 * tall, 0.9), (0, -0.68 * tall, 1.1), (-0.6, -0.72 * tall, 0.9)])
    canvas.fill(curve(np.vstack([top, brim]), closed=True), shot.cap_colour, head=True)
    canvas.line(curve(np.vstack([side[0], brim, top[0]])), shot.cap_colour * 0.6, 0.09)
