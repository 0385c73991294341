import numpy as np
import pytest
import torch

from eval.gan import neighbours, sources
from eval.gan.neighbours import in_features, in_pixels
from sphereface_plus.data.images import DeviceImages


def test_the_nearest_in_pixels_are_those_of_all_blocks(monkeypatch):
    for module in (sources, neighbours):
        monkeypatch.setattr(module, "BLOCK", 7)
    pixels = np.random.default_rng(0).integers(0, 256, (30, 4, 4, 3), dtype=np.uint8)
    images = DeviceImages(torch.from_numpy(pixels), torch.zeros(30, dtype=torch.int64), 1)
    reference = sources.real(images, "real", None)
    ordered = np.concatenate([reference.block(number, 7).numpy() for number in range(5)])
    queries = np.random.default_rng(1).integers(0, 256, (3, 4, 4, 3), dtype=np.uint8)
    found = in_pixels(queries, reference)
    for query, places, distances in zip(queries, found.places, found.distances, strict=True):
        expected = [np.sqrt(np.mean((query.astype(float) - image) ** 2)) for image in ordered]
        assert places.tolist() == np.argsort(expected)[:4].tolist()
        assert distances == pytest.approx(np.sort(expected)[:4])


def test_a_real_image_is_nearest_to_itself_in_features():
    features = np.random.default_rng(0).normal(size=(20, 5)).astype(np.float32)
    found = in_features("features", features[[3, 8]], features)
    assert found.places[:, 0].tolist() == [3, 8]
    assert found.distances[:, 0] == pytest.approx([0, 0], abs=1e-6)
