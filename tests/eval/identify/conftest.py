"""Embeddings of named photos for `python -m eval identify`."""

from __future__ import annotations

import numpy as np
import pytest

from sphereface_plus.data.formats.embeddings import write_embeddings


@pytest.fixture
def store(tmp_path):
    """A function that writes embeddings: name of the file, and photo key -> embedding."""

    def write(name: str, photos: dict[str, np.ndarray], **meta):
        path = tmp_path / f"{name}.npz"
        stated = {"fingerprint": "planted", "flip": "none"} | meta
        write_embeddings(path, list(photos), np.stack(list(photos.values())), stated)
        return path

    return write
