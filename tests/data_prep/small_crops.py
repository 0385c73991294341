"""Crops of noise for the tests of packing."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np


def write_crop(path: Path, seed: int, size=(12, 10)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (*size, 3), dtype=np.uint8)
    path.write_bytes(cv2.imencode(path.suffix, pixels)[1].tobytes())


ORDER = ["Zoë/1.jpg", "Zoë/2.png", "Zoë/3.jpg", "Ann/1.png", "Ann/2.jpg"]


def files(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}
