"""What MHE adds to a training step of CNN-9 at batch 128, and to write Eq. (4) with torch.cdist instead.

    PYTHONPATH=. python tests/benchmarks/bench_regularizer.py

The step is forward, cross-entropy, backward and SGD with the channels last, in fp32 and, where `auto` of
train.precision takes it, in bf16, which is the faster then. The penalties are forward and backward over all
ten hidden layers and the output layer, in fp32 in either case. All grow with the machine's speed alike, so
the shares are taken repetition by repetition, in one process, in turn.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sphereface_plus.mhe import EnergyTerm, MHERegularizer, neurons_of
from sphereface_plus.networks import cnn9
from sphereface_plus.precision import fastest
from tests.benchmarks.figures import in_turn, keep

BATCH, CLASSES, REPETITIONS = 128, 100, 7
PRECISIONS = tuple(dict.fromkeys(["fp32", fastest(torch.device("cpu")).precision]))
BUDGET = 0.05


def cdist_penalty(layers: list[nn.Module], half_space: bool) -> Tensor:
    """10 sum_j E_j + E_L with s = 2 as one writes it down; half-space by twice as many neurons."""
    energies = []
    for layer in layers:
        units = F.normalize(neurons_of(layer))
        if half_space and layer is not layers[-1]:
            units = torch.cat([units, -units])
        own = torch.eye(len(units), dtype=torch.bool)
        distances = torch.cdist(units, units).masked_fill(own, torch.inf)
        energies.append(distances.pow(-2).sum() / (len(units) * (len(units) - 1)))
    return 10 * torch.stack(energies[:-1]).sum() + energies[-1]


def main() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(cnn9(), nn.Linear(256, CLASSES, bias=False)).to(memory_format=torch.channels_last)
    images = torch.randn(BATCH, 3, 32, 32).contiguous(memory_format=torch.channels_last)
    labels = torch.randint(CLASSES, (BATCH,))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9, weight_decay=1e-4)
    regularizers = {
        "MHE": MHERegularizer(model),
        "half-space MHE": MHERegularizer(model, hidden=EnergyTerm(10.0, half_space=True)),
        "A-MHE": MHERegularizer(model, hidden=EnergyTerm(10.0, distance="angular")),
        "half-space A-MHE": MHERegularizer(
            model, hidden=EnergyTerm(10.0, distance="angular", half_space=True)
        ),
    }
    layers = list(regularizers["MHE"].layers.values())
    penalties: dict[str, Callable[[], Tensor]] = {
        **{name: regularizer.penalty for name, regularizer in regularizers.items()},
        "MHE by cdist": lambda: cdist_penalty(layers, half_space=False),
        "half-space MHE by cdist": lambda: cdist_penalty(layers, half_space=True),
    }
    for name in ("MHE", "half-space MHE"):
        ours, written = penalties[name]().item(), penalties[f"{name} by cdist"]().item()
        print(f"{name:24} {ours:.5f}, by cdist {written:.5f}")

    def step(precision: str) -> None:
        optimizer.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
            logits = model(images)
        F.cross_entropy(logits.float(), labels).backward()
        optimizer.step()

    work: dict[str, Callable[[], object]] = {f"the step in {p}": partial(step, p) for p in PRECISIONS}
    work |= {name: lambda penalty=penalty: penalty().backward() for name, penalty in penalties.items()}
    in_turn(work, 1)  # warms up
    seconds = {name: times[:, 0] for name, times in in_turn(work, REPETITIONS).items()}

    print(f"CNN-9, batch {BATCH}, {torch.get_num_threads()} threads, {REPETITIONS} repetitions")
    shares_of = "".join(f"   share of {precision}: median, min, max" for precision in PRECISIONS)
    print(f"{'':24}{'median':>11}{'min':>11}{'max':>11}{shares_of}")
    for name, times in seconds.items():
        line = f"{name:24}" + "".join(f"{1000 * f(times):8.1f} ms" for f in (np.median, np.min, np.max))
        for precision in PRECISIONS if name in penalties else ():
            shares = times / seconds[f"the step in {precision}"]
            keep("regularizer", name, "share of CNN-9's step", shares, precision=precision)
            line += " " * 11 + "".join(f"{f(shares):8.1%}" for f in (np.median, np.min, np.max))
        print(line)
    for name in ("MHE", "half-space MHE"):
        for precision in PRECISIONS:
            share = np.median(seconds[name] / seconds[f"the step in {precision}"])
            word = "within" if share <= BUDGET else "OVER"
            print(f"{name}: {share:.1%} of the step in {precision}, {word} the {BUDGET:.0%} that it may take")


if __name__ == "__main__":
    main()
