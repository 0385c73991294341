"""What is measured of a run, where the answer is known."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from eval.study.measure import angles_of, turned_degrees


def test_prototypes_have_turned_by_the_angle_of_a_known_rotation_whatever_their_lengths():
    before = torch.tensor([[1.0, 0.0, 0.0], [0.0, 2.0, 0.0]])
    after = torch.tensor([[math.cos(0.3), math.sin(0.3), 0.0], [0.0, 0.0, 5.0]])
    assert turned_degrees(after, before) == pytest.approx((math.degrees(0.3) + 90) / 2, abs=1e-4)
    assert turned_degrees(before, before) == pytest.approx(0, abs=1e-5)


def test_angles_are_those_of_all_pairs_one_by_one():
    random = np.random.default_rng(0)
    embeddings, person = random.normal(size=(12, 5)), np.repeat(np.arange(4), 3)
    genuine, impostor = [], []
    for i in range(12):
        for j in range(i):
            cosine = (
                embeddings[i] @ embeddings[j] / np.linalg.norm(embeddings[i]) / np.linalg.norm(embeddings[j])
            )
            (genuine if person[i] == person[j] else impostor).append(cosine)
    found = angles_of(embeddings, person)
    assert found["genuine_degrees"] == pytest.approx(np.degrees(np.arccos(genuine)).mean())
    assert found["impostor_degrees"] == pytest.approx(np.degrees(np.arccos(impostor)).mean())
    spread = np.sqrt((np.var(genuine) + np.var(impostor)) / 2)
    assert found["d_prime"] == pytest.approx((np.mean(genuine) - np.mean(impostor)) / spread)
