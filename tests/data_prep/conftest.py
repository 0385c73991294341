"""Photos that a detector finds: drawn people, one set for all tests."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from data_prep.align import align_folder
from data_prep.drawing.people import sample_person, sample_shot
from data_prep.drawing.photo import draw_photo
from sphereface_plus.data.formats.manifest import LANDMARK_COLUMNS, ManifestRow, write_manifest
from tests.data_prep.aligning import FAST, tree
from tests.data_prep.small_crops import ORDER, write_crop

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


@pytest.fixture
def plain(tmp_path):
    """Crops without a manifest: three of Zoë, two of Ann, JPEG and PNG."""
    for number, name in enumerate(ORDER):
        write_crop(tmp_path / "plain" / name, number)
    return tmp_path / "plain"


@pytest.fixture
def listed(tmp_path):
    """Crops in one flat folder with a manifest, whose rows are in no order of identities."""
    rest = dict.fromkeys(("score", "box_left", "box_top", "box_right", "box_bottom"), float("nan"))
    rest |= dict.fromkeys(LANDMARK_COLUMNS, 1.0)
    rows = []
    for number, identity in enumerate("bbaab"):
        write_crop(tmp_path / "listed" / f"{number}.png", number)
        rows.append(ManifestRow(f"{number}.png", identity, "s.jpg", "given", "mine", 12, 10, **rest))
    write_manifest(tmp_path / "listed" / "manifest.csv", rows)
    return tmp_path / "listed"


@pytest.fixture
def whole_run(photos, tmp_path) -> dict[str, bytes]:
    """The files of a run that nothing interrupted."""
    align_folder(photos, tmp_path / "whole", **FAST)
    return tree(tmp_path / "whole")
