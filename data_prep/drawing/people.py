"""What is drawn: a person's looks, the same in all photos, and a shot's circumstances, new in each.

Lengths are in the head's frame (canvas.py), where half the width of the face is 1. The spreads set how hard
it is to tell the people apart. Pixels must not do it: light, pose and expression vary more than most looks.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .canvas import SIZE

_SKIN = np.array(  # from light to dark
    [
        (246, 214, 194),
        (236, 196, 168),
        (222, 174, 140),
        (198, 146, 110),
        (160, 110, 80),
        (120, 80, 58),
        (88, 58, 44),
    ]
)
_HAIR = np.array(
    [
        (28, 22, 20),
        (46, 32, 24),
        (78, 52, 34),
        (112, 76, 44),
        (160, 118, 70),
        (196, 164, 110),
        (128, 58, 30),
        (150, 148, 146),
    ]
)
_GREY = len(_HAIR) - 1
_IRIS = np.array([(58, 36, 22), (84, 56, 32), (104, 92, 52), (84, 112, 88), (88, 120, 150), (110, 116, 122)])
_FRAME = np.array([(25, 22, 22), (90, 50, 30), (130, 130, 135), (60, 20, 25), (30, 40, 80)])  # of glasses


@dataclass(frozen=True, eq=False)
class Person:
    """What stays the same in all photos of a person. Colours are RGB, 0..255."""

    seed: int
    """Where freckles, curls and strands of hair are."""
    skin: np.ndarray
    hair: np.ndarray
    iris: np.ndarray
    face_height: float
    """Factor on the height of face and head."""
    cheek: float
    jaw: float
    chin: float
    """Half widths of the face, from the cheekbones down."""
    eye_distance: float
    """From the middle of the face to the middle of an eye."""
    eye_y: float
    eye_width: float
    eye_opening: float
    """Height of the open eye as a share of its width."""
    eye_slant: float
    """How much higher the outer corner is."""
    lid: float
    """How visible the fold of the upper lid is."""
    brow_rise: float
    """From the eye up to the brow."""
    brow_width: float
    brow_thickness: float
    brow_slant: float
    brow_arch: float
    brow_gap: float
    nose_length: float
    nose_width: float
    nose_bridge: float
    nose_height: float
    """How far the tip stands out."""
    mouth_y: float
    mouth_width: float
    upper_lip: float
    lower_lip: float
    mouth_droop: float
    redness: float
    """Of the lips, 0 to 1."""
    ear: float
    bald: bool
    hairline: float
    hair_peak: float
    hair_volume: float
    hair_length: float
    """y at which the hair behind the head ends."""
    parting: float
    curls: bool
    moustache: float
    beard: float
    freckles: int
    moles: np.ndarray
    age: float
    """How deep the lines of the face are, 0 to 1."""
    wears_glasses: float
    """Share of the photos."""
    glasses_round: bool
    glasses_width: float
    glasses_rim: float
    glasses_colour: np.ndarray


@dataclass(frozen=True, eq=False)
class Shot:
    """What changes from photo to photo. Angles are in radians, places in pixels, colours RGB."""

    seed: int
    """Backdrop and noise."""
    yaw: float
    pitch: float
    roll: float
    scale: float
    """Pixels per unit of the head's frame."""
    centre: tuple[float, float]
    smile: float
    open_mouth: float
    brow_lift: float
    eye_open: float
    gaze: tuple[float, float]
    glasses: bool
    cap: bool
    cap_colour: np.ndarray
    cloth: np.ndarray
    hair_change: float
    light: np.ndarray
    """Unit vector towards the light; z is towards the viewer."""
    ambient: float
    """Share of the light that comes from everywhere."""
    gain: float
    gamma: float
    cast: np.ndarray
    """Factor a channel: the light's colour."""
    blur: float
    noise: float
    quality: int
    """Of the JPEG file."""


def sample_person(random: np.random.Generator) -> Person:
    """A person drawn at random."""

    def around(mean: float, spread: float) -> float:
        return mean + spread * float(np.clip(random.normal(), -2, 2))

    man = random.random() < 0.5
    tone = random.beta(1.2, 1.4) * (len(_SKIN) - 1)
    dark = tone > 3.2
    skin = [np.interp(tone, range(len(_SKIN)), channel) for channel in _SKIN.T] + random.normal(0, 4, 3)
    hair = random.choice(
        len(_HAIR),
        p=[0.6, 0.3, 0.06, 0, 0, 0, 0, 0.04] if dark else [0.16, 0.2, 0.2, 0.14, 0.1, 0.08, 0.05, 0.07],
    )
    iris = random.choice(
        len(_IRIS), p=[0.8, 0.2, 0, 0, 0, 0] if dark else [0.25, 0.25, 0.15, 0.12, 0.15, 0.08]
    )
    return Person(
        seed=int(random.integers(2**31)),
        skin=np.clip(skin, 30, 255),
        hair=np.clip(_HAIR[hair] + random.normal(0, 8, 3), 8, 235),
        iris=np.clip(_IRIS[iris] + random.normal(0, 8, 3), 10, 220),
        face_height=around(1.0, 0.06),
        cheek=around(0.98, 0.03),
        jaw=around(0.78 if man else 0.7, 0.07),
        chin=around(0.34 if man else 0.27, 0.06),
        eye_distance=around(0.46, 0.035),
        eye_y=around(-0.08, 0.05),
        eye_width=around(0.215, 0.022),
        eye_opening=around(0.47, 0.08),
        eye_slant=around(0.06, 0.09),
        lid=around(0.5, 0.3),
        brow_rise=around(0.3, 0.045),
        brow_width=around(0.3, 0.035),
        brow_thickness=max(0.02, around(0.065 if man else 0.045, 0.018)),
        brow_slant=around(0.0, 0.12),
        brow_arch=around(0.06, 0.03),
        brow_gap=around(0.02, 0.03),
        nose_length=around(0.53, 0.05),
        nose_width=around(0.235, 0.04),
        nose_bridge=around(0.1, 0.025),
        nose_height=around(0.3, 0.06),
        mouth_y=around(0.97, 0.05),
        mouth_width=around(0.4, 0.045),
        upper_lip=max(0.02, around(0.065, 0.022)),
        lower_lip=max(0.03, around(0.095, 0.026)),
        mouth_droop=around(0.0, 0.03),
        redness=random.uniform(0.1, 0.55 if man else 0.95),
        ear=around(0.2, 0.04),
        bald=bool(man and random.random() < 0.14),
        hairline=around(-0.86, 0.1) + (random.uniform(0.1, 0.3) if random.random() < 0.3 else 0),
        hair_peak=around(0.0, 0.09),
        hair_volume=max(0.03, around(0.14, 0.06)),
        hair_length=random.uniform(-0.2, 0.35) if man else random.uniform(0.1, 2.2),
        parting=random.uniform(-0.7, 0.7),
        curls=bool(random.random() < 0.25),
        moustache=random.uniform(0.4, 1) if man and random.random() < 0.28 else 0.0,
        beard=random.uniform(0.25, 1) if man and random.random() < 0.34 else 0.0,
        freckles=int(random.integers(8, 40)) if tone < 2 and random.random() < 0.25 else 0,
        moles=random.uniform((-0.7, -0.5), (0.7, 1.2), size=(random.integers(0, 3), 2)),
        age=min(1.0, random.beta(1.2, 2) + (0.4 if hair == _GREY else 0)),
        wears_glasses=float(random.choice([0, 0, 0, 0.5, 1])),
        glasses_round=bool(random.random() < 0.4),
        glasses_width=around(0.27, 0.03),
        glasses_rim=random.uniform(0.035, 0.065),
        glasses_colour=_FRAME[random.integers(len(_FRAME))],
    )


def sample_shot(random: np.random.Generator, person: Person) -> Shot:
    """Circumstances of a photo of the person, drawn at random."""

    def normal(spread: float) -> float:
        return spread * float(np.clip(random.normal(), -2, 2))

    azimuth, elevation = random.uniform(-1.3, 1.3), random.uniform(-0.35, 1.0)
    across = np.cos(elevation)
    smiling = random.random() < 0.5
    sharp = random.random() < 0.75
    return Shot(
        seed=int(random.integers(2**31)),
        yaw=normal(0.22),
        pitch=normal(0.13),
        roll=normal(0.15),
        scale=random.uniform(36, 47),
        centre=(SIZE / 2 + normal(8), SIZE / 2 + 2 + normal(6)),
        smile=random.uniform(0.3, 1) if smiling else random.uniform(-0.3, 0.25),
        open_mouth=max(0.0, random.normal(0.25 if smiling else 0.0, 0.3)),
        brow_lift=normal(0.5),
        eye_open=float(np.clip(random.normal(1.0, 0.16), 0.45, 1.3)),
        gaze=(normal(0.35), normal(0.15)),
        glasses=bool(random.random() < person.wears_glasses),
        cap=bool(random.random() < 0.05),
        cap_colour=muted_colour(random),
        cloth=muted_colour(random),
        hair_change=normal(0.5),
        light=np.array([np.sin(azimuth) * across, -np.sin(elevation), np.cos(azimuth) * across]),
        ambient=random.uniform(0.3, 0.8),
        gain=float(np.exp(normal(0.22))),
        gamma=float(np.exp(normal(0.16))),
        cast=np.exp(random.normal(0, 0.05, 3)),
        blur=random.uniform(0.0, 1.0) if sharp else random.uniform(1.0, 1.7),
        noise=random.uniform(1, 8),
        quality=int(random.integers(70, 96)),
    )


def muted_colour(random: np.random.Generator) -> np.ndarray:
    """A colour as walls, clothes and trees have them: of any brightness and little saturation."""
    return np.clip(random.uniform(25, 225) + random.normal(0, 22, 3), 5, 250)
