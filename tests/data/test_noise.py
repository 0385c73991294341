"""Noise is a function of seed, step and update, and of nothing else."""

import numpy as np
import pytest
import torch

from sphereface_plus.data import noise as module
from sphereface_plus.data import streams
from sphereface_plus.data.noise import noise, penalty_shares, sample_noise


def test_it_is_normal_and_depends_on_each_of_its_places():
    first = noise(1, 5, module.GENERATORS_UPDATE, 200, 128)
    assert first.dtype == torch.float32
    assert abs(float(first.mean())) < 0.03
    assert float(first.std()) == pytest.approx(1, abs=0.02)
    assert torch.equal(first, noise(1, 5, module.GENERATORS_UPDATE, 200, 128))
    others = [noise(2, 5, 0, 200, 128), noise(1, 6, 0, 200, 128), noise(1, 5, 1, 200, 128)]
    others.append(sample_noise(1, 200, 128))
    assert not any(torch.equal(first, other) for other in others)


def test_it_takes_nothing_from_torchs_own_stream():
    before = torch.get_rng_state()
    noise(0, 0, 0, 3, 2), penalty_shares(0, 0, 3), sample_noise(0, 3, 2)
    assert torch.equal(torch.get_rng_state(), before)


def test_samples_are_of_the_same_noise_for_any_number_of_them():
    assert torch.equal(sample_noise(3, 8, 16)[:4], sample_noise(3, 4, 16))


def test_shares_are_uniform_and_of_their_own_stream():
    shares = penalty_shares(0, 3, 10_000)
    assert 0 <= float(shares.min()) < 0.01
    assert 0.99 < float(shares.max()) < 1
    assert float(shares.mean()) == pytest.approx(0.5, abs=0.01)
    expected = streams.generator(0, streams.PENALTY_SHARES, 3).random(10_000, dtype=np.float32)
    assert np.array_equal(shares.numpy(), expected)
