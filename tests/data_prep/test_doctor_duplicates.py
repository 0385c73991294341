"""Crops that look the same: their hashes, and the search for close pairs."""

from __future__ import annotations

import tracemalloc

import cv2
import numpy as np

from data_prep.doctor.duplicates import close, components, exact_duplicates, near_duplicates
from data_prep.doctor.pictures import HASH_BITS, Look, perceptual_hash


def test_a_perceptual_hash_keeps_under_light_compression_and_scale_and_tells_pictures_apart():
    coarse = np.random.default_rng(0).integers(0, 256, (16, 14), dtype=np.uint8)
    picture = cv2.resize(coarse, (96, 112), interpolation=cv2.INTER_CUBIC)
    lighter = (picture * 0.7 + 60).astype(np.uint8)
    smaller = cv2.resize(picture, (60, 70), interpolation=cv2.INTER_AREA)
    data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 40])[1]
    for same in (lighter, smaller, cv2.imdecode(data, cv2.IMREAD_GRAYSCALE)):
        assert (perceptual_hash(same) != perceptual_hash(picture)).sum() <= 16
    assert (perceptual_hash(picture[:, ::-1]) != perceptual_hash(picture)).sum() > 60


def test_close_pairs_are_those_of_the_full_product():
    vectors = np.random.default_rng(0).normal(size=(70, 3)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    expected = {(i, j) for i in range(70) for j in range(i + 1, 70) if vectors[i] @ vectors[j] >= 0.9}
    assert {(i, j) for i, j, _ in close(vectors, 0.9, chunk=16)} == expected


def looks_of(count: int, *, of_pixels: str, bits: int = 0) -> list[Look]:
    """Looks whose hashes are equal but for the first bits; of_pixels may hold {}, the number."""
    rough = np.random.default_rng(0).integers(0, 2, HASH_BITS, dtype=np.uint8).astype(bool)
    rough[:bits] ^= True
    pixels = [of_pixels.format(number).encode() for number in range(count)]
    return [Look(None, (24, 20), 900, 30.0, b"file", of, rough) for of in pixels]


def traced_peak(function):
    """What it returns, and the most memory that it took meanwhile."""
    tracemalloc.start()
    try:
        return function(), tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_thousands_of_copies_of_a_picture_are_searched_as_one():
    looks = looks_of(3000, of_pixels="one") + looks_of(1, of_pixels="other", bits=3)
    labels = [0] * 3000 + [1]
    assert [len(finding.entries) for finding in exact_duplicates(looks, labels)] == [3000]
    (finding,), peak = traced_peak(lambda: near_duplicates(looks, labels, np.ones((3001, 1), np.float32)))
    assert [entry.crop for entry in finding.entries] == list(range(3001))
    assert finding.words == "hashes differ in 3 of 256 bits, cosine up to 1.00, under several identities"
    assert peak < 10**7


def test_close_pairs_take_the_memory_of_a_block_however_many_they_are():
    vectors = np.ones((500, 1), np.float32)
    count, peak = traced_peak(lambda: sum(1 for _ in close(vectors, 0.9, chunk=50)))
    assert count == 500 * 499 // 2
    assert peak < 10**6


def test_components_are_what_hangs_together():
    assert components([(1, 2), (3, 4), (5, 6), (2, 3), (7, 8)]) == [{1, 2, 3, 4}, {5, 6}, {7, 8}]
