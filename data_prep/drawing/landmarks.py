"""Where the landmarks of a drawn face are: known from what is drawn, so that nobody has to find them."""

from __future__ import annotations

import numpy as np

from .canvas import on_head, project
from .features import mouth_corners, nose_tip
from .people import Person, Shot
from .photo import turn_of


def landmarks_of(person: Person, shot: Shot) -> np.ndarray:
    """(5, 2) pixels (x, y) of the photo: left eye, right eye, nose tip, left and right mouth corner.

    An eye is the middle of its opening, wherever it looks. Hair, glasses or a cap may hide it.
    """
    eyes = on_head([(-person.eye_distance, person.eye_y), (person.eye_distance, person.eye_y)])
    points = np.vstack([eyes, nose_tip(person), mouth_corners(person, shot)])
    return project(points, turn_of(shot), shot.scale, shot.centre)
