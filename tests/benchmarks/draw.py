"""What drawing a sample of the prototypes takes: seconds of a core, and bytes for a moment.

PYTHONPATH=. python tests/benchmarks/draw.py [PEOPLE [SHARE]]
"""

from __future__ import annotations

import resource
import sys
import time

import torch

from sphereface_plus.data import streams
from sphereface_plus.losses.dense_head import DenseHead
from sphereface_plus.losses.sampled_head import Sampling

people = int(float(sys.argv[1])) if len(sys.argv) > 1 else 1_000_000
rate = float(sys.argv[2]) if len(sys.argv) > 2 else 0.1


def most() -> int:
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def draw(step: int, many: int, count: int) -> torch.Tensor:
    rng = streams.generator(0, streams.SAMPLED_CLASSES, step)
    return torch.from_numpy(rng.choice(many, count, replace=False, shuffle=False))


head = Sampling(lambda classes: DenseHead, people, rate, draw)
before, seconds = most(), []
for step in range(5):
    start = time.process_time()
    head.begin(step, torch.arange(512))
    seconds.append(time.process_time() - start)
print(
    f"{rate:g} of {people:,} people: {sorted(seconds)[2]:.3f} s (median of five, {min(seconds):.3f} to "
    f"{max(seconds):.3f}), {(most() - before) / people:.0f} bytes of each"
)
