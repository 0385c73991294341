"""What generated images are made of: a function of seed and step, so that nothing of it has to be kept."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from sphereface_plus.data import streams

GENERATORS_UPDATE, DISCRIMINATORS_UPDATE = 0, 1


def noise(seed: int, step: int, update: int, count: int, size: int) -> Tensor:
    """N(0, 1), float32 (count, size), of a whole batch: processes and parts take their rows of it.

    update: GENERATORS_UPDATE or DISCRIMINATORS_UPDATE, of this step.
    """
    return _normal(streams.generator(seed, streams.GENERATOR_NOISE, step, update), count, size)


def penalty_shares(seed: int, step: int, count: int) -> Tensor:
    """Uniform in 0 .. 1, float32 (count,), of a whole batch."""
    numbers = streams.generator(seed, streams.PENALTY_SHARES, step).random(count, dtype=np.float32)
    return torch.from_numpy(numbers)


def sample_noise(seed: int, count: int, size: int) -> Tensor:
    """N(0, 1), float32 (count, size): of a run's samples, the same at every step."""
    return _normal(streams.generator(seed, streams.SAMPLE_NOISE), count, size)


def measured_noise(seed: int, block: int, count: int, size: int) -> Tensor:
    """N(0, 1), float32 (count, size): of a block of the images that are measured; fewer rows are the first
    ones of more."""
    return _normal(streams.generator(seed, streams.MEASURED_NOISE, block), count, size)


def statistics_noise(seed: int, batch: int, count: int, size: int) -> Tensor:
    """N(0, 1), float32 (count, size): one of the batches by which running statistics are taken anew."""
    return _normal(streams.generator(seed, streams.STATISTICS_NOISE, batch), count, size)


def _normal(generator: np.random.Generator, count: int, size: int) -> Tensor:
    return torch.from_numpy(generator.standard_normal((count, size), dtype=np.float32))
