"""Photos that a detector finds: drawn people, one set for all tests."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from data_prep.drawing.people import sample_person, sample_shot
from data_prep.drawing.photo import draw_photo

PEOPLE, PHOTOS = ("Ann_Õun", "Bob", "Zoë"), 3


def draw(person: int, photo: int) -> np.ndarray:
    looks = sample_person(np.random.default_rng((5, person)))
    return draw_photo(looks, sample_shot(np.random.default_rng((5, person, photo + 1)), looks))


@pytest.fixture(scope="session")
def drawn_photo() -> np.ndarray:
    """One photo with a face, uint8 (192, 192, 3) RGB."""
    return draw(0, 0)


@pytest.fixture(scope="session")
def write_photo() -> Callable[[Path, np.ndarray], Path]:
    """Writes RGB pixels to a file and gives its path."""

    def write(path: Path, pixels: np.ndarray) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        encoded, data = cv2.imencode(path.suffix, cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR))
        assert encoded
        path.write_bytes(data.tobytes())
        return path

    return write


@pytest.fixture
def photos(tmp_path: Path, drawn_files: dict[str, bytes]) -> Path:
    """A folder of three people with three photos each, for a test to change."""
    root = tmp_path / "photos"
    for name, data in drawn_files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return root


@pytest.fixture(scope="session")
def drawn_files() -> dict[str, bytes]:
    files = {}
    for person, name in enumerate(PEOPLE):
        for photo in range(PHOTOS):
            pixels = cv2.cvtColor(draw(person, photo), cv2.COLOR_RGB2BGR)
            files[f"{name}/{photo + 1}.jpg"] = cv2.imencode(".jpg", pixels)[1].tobytes()
    return files
