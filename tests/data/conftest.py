"""A small identity/image folder of crops, each with its own pixels."""

import cv2
import numpy as np
import pytest


def _write(path, rng, height=12, width=10):
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), rng.integers(0, 256, (height, width, 3), dtype=np.uint8))


@pytest.fixture
def write_crop():
    """(path, rng, height, width): writes a crop of noise."""
    return _write


@pytest.fixture
def crops_folder(tmp_path):
    """Five crops of Ann, three of bob, one of Cem, 12x10, and files that are no crops."""
    rng = np.random.default_rng(0)
    folder = tmp_path / "crops"
    for name, count in (("bob", 3), ("Ann", 5), ("Cem", 1)):
        for number in reversed(range(count)):
            _write(folder / name / f"{name}_{number:04d}.png", rng)
    (folder / "Ann" / "notes.txt").write_text("no crop")
    (folder / ".cache").mkdir()
    _write(folder / ".cache" / "hidden.png", rng)
    _write(folder / "loose.png", rng)
    (folder / "empty").mkdir()
    return folder
