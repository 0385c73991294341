"""Eq. (8) at 100,000 classes x 256 labels x 512 dimensions: `classifier_energy` against torch.cdist with
autograd.

    PYTHONPATH=. python tests/benchmarks/bench_classifier_energy.py

Both compute the same energy and the same gradient of the raw prototypes, which is checked first. A repetition
times forward and backward of each, one after the other, and the three matrix products that neither can do
without, as torch.mm makes them. Memory is the growth of the process's peak resident size during one forward
and backward in a fresh process, less the gradient, which the caller wants.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import normalize

from sphereface_plus.mhe import classifier_energy
from tests.benchmarks.figures import in_turn, keep, spread

NUM_CLASSES, NUM_LABELS, DIMENSIONS = 100_000, 256, 512
REPETITIONS = 7
BENCHMARK = "classifier_energy"
MEBIBYTE = 2**20


def cdist_energy(prototypes: Tensor, labels: Tensor) -> Tensor:
    """Eq. (8), s = 2, as one writes it down with torch.cdist."""
    units = normalize(prototypes)
    own = labels[:, None] == torch.arange(len(prototypes))
    distances = torch.cdist(units[labels], units).masked_fill(own, torch.inf)
    return distances.pow(-2).sum() / (len(labels) * (len(prototypes) - 1))


def three_products(prototypes: Tensor, batch: Tensor) -> None:
    """The arithmetic by torch.mm: cosines, gradient of the prototypes, gradient of the batch's classes."""
    gradient, batch_gradient = torch.empty_like(prototypes), torch.zeros_like(batch)
    for chunk, chunk_gradient in zip(prototypes.split(4096), gradient.split(4096), strict=True):
        cosine = chunk @ batch.T
        torch.mm(cosine, batch, out=chunk_gradient)
        batch_gradient.addmm_(cosine.T, chunk)


METHODS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "classifier_energy": classifier_energy,
    "cdist + autograd": cdist_energy,
}


def problem() -> tuple[Tensor, Tensor]:
    torch.manual_seed(0)
    prototypes = torch.randn(NUM_CLASSES, DIMENSIONS).requires_grad_()
    return prototypes, torch.randint(NUM_CLASSES, (NUM_LABELS,))


def extra_memory(name: str) -> float:
    """MiB beside the prototypes and their gradient. Runs in a process of its own: the peak never falls."""
    METHODS[name](
        torch.randn(300, 8, requires_grad=True), torch.arange(200)
    ).backward()  # loads what is loaded lazily
    prototypes, labels = problem()
    before = peak_memory()
    METHODS[name](prototypes, labels).backward()
    return peak_memory() - before - prototypes.nbytes / MEBIBYTE


def peak_memory() -> float:
    """MiB. Not getrusage's ru_maxrss, which a new process inherits from the one that started it."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def main() -> None:
    prototypes, labels = problem()
    results = {}
    for name, method in METHODS.items():
        energy = method(prototypes, labels)
        results[name] = energy.item(), torch.autograd.grad(energy, prototypes)[0]
    (our_energy, our_gradient), (energy, gradient) = results.values()
    print(
        f"energies {our_energy:.6f} and {energy:.6f}; gradients differ by "
        f"{((our_gradient - gradient).norm() / gradient.norm()).item():.1e} of their norm"
    )
    del results, our_gradient, gradient

    batch = prototypes.detach()[labels]

    def step(method: Callable[[Tensor, Tensor], Tensor]) -> None:
        prototypes.grad = None
        method(prototypes, labels).backward()

    ways: dict[str, Callable[[], object]] = {name: partial(step, method) for name, method in METHODS.items()}
    ways["three matrix products"] = lambda: three_products(prototypes.detach(), batch)
    seconds = {name: times[:, 0] for name, times in in_turn(ways, REPETITIONS).items()}

    memory = {}
    with multiprocessing.get_context("spawn").Pool(1, maxtasksperchild=1) as pool:
        for name in METHODS:
            memory[name] = pool.apply(extra_memory, (name,))

    print(
        f"{NUM_CLASSES:,} classes x {NUM_LABELS} labels x {DIMENSIONS}, {torch.get_num_threads()} threads, "
        f"{REPETITIONS} repetitions"
    )
    print(f"{'forward and backward':24}{'median':>9}{'min':>9}{'max':>9}   extra memory")
    for name, times in seconds.items():
        extra = f"{memory[name]:9.0f} MiB" if name in memory else ""
        print(f"{name:24}{np.median(times):8.2f}s{times.min():8.2f}s{times.max():8.2f}s{extra}")
    ratios = seconds["cdist + autograd"] / seconds["classifier_energy"]
    at = {"classes": NUM_CLASSES, "labels": NUM_LABELS}
    keep(BENCHMARK, "Eq. (8)", "times as fast as cdist", ratios, **at)
    keep(BENCHMARK, "Eq. (8)", "MiB beside prototypes and gradient", memory["classifier_energy"], **at)
    print(
        f"cdist takes {spread(ratios)} times as long "
        f"and {memory['cdist + autograd'] / memory['classifier_energy']:.0f} times the extra memory"
    )


if __name__ == "__main__":
    main()
