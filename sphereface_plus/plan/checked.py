"""What some updates really take here, on noise: to be held against a plan."""

from __future__ import annotations

import statistics
import time
from functools import partial
from pathlib import Path

import torch

from sphereface_plus.config import FaceConfig
from sphereface_plus.data.crops import normalise
from sphereface_plus.networks import build_network
from sphereface_plus.processes import Processes, naming_lost_others
from sphereface_plus.training.classifier import build_learner
from sphereface_plus.training.face_loss import energies_of, loss_of


@naming_lost_others()
def updates(
    config: FaceConfig, identities: int, count: int, processes: Processes
) -> tuple[float, float | None]:
    """Seconds of an update, the median of `count`, of the slowest process; and bytes by which this process's
    peak rises, None where the system does not say."""
    spec, train = config.network.input, config.train
    batch = train.batch_size // (processes.world_size * train.accumulate)
    generator = torch.Generator().manual_seed(processes.rank)

    def part() -> tuple[torch.Tensor, torch.Tensor]:
        crops = torch.randint(
            256, (batch, spec.height, spec.width, 3), dtype=torch.uint8, generator=generator
        )
        return crops, torch.randint(identities, (batch,), generator=generator)

    before = _begin_peak(processes.device)
    network = build_network(config.network)
    loss, rows = loss_of(config, identities, processes)
    energies = energies_of(config, loss, rows, torch.ones(identities))
    learner = build_learner(network, loss, energies, partial(normalise, spec=spec), config, processes)
    found = []
    # The last one is measured for the log, which takes the most memory; the first one fills what is kept.
    for step in [*range(1, count + 2), train.log_every]:
        parts = [part() for _ in range(train.accumulate)]
        processes.wait_for_all()
        start = time.perf_counter()
        learner.update(parts, step)
        processes.wait_for_all()
        found.append(time.perf_counter() - start)
    peak = _peak(processes.device)
    return statistics.median(found[1:-1]), None if peak is None or before is None else peak - before


def _begin_peak(device: torch.device) -> float | None:
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        return torch.cuda.memory_allocated(device)
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return None
    return _peak(device)


def _peak(device: torch.device) -> float | None:
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    try:
        return int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]) * 1024
    except (OSError, IndexError, ValueError):  # not Linux
        return None
