"""The streamed head beside the dense one, both with Eq. (8) as well, against the dense head's three products.

    PYTHONPATH=. python tests/benchmarks/bench_head.py [--classes 100000] [--batch 256] [--loss a_softmax]
    PYTHONPATH=. python tests/benchmarks/bench_head.py --products, or --digits
    PYTHONPATH=. python tests/benchmarks/bench_head.py --step --classes 1000000 [--sample-rate 0.1]

A repetition times, one after the other, forward and backward of each, all with the same prototypes: by the
clock, and by processor time for a CPU that others use as well. "bare" are the products that a dense head
cannot do without, torch.mm(x, W^T), torch.mm(z^T, x), torch.mm(z, W), with D = 512. Ratios are to the bare
ones of the same repetition: median, least and most. Memory is the growth of the process's peak during the
first forward and backward in a fresh process, less the gradient, which the optimizer wants. `softmax` is
compared with torch's linear_cross_entropy in chunks, where torch has it. Losses are compared first.

--products times the two ways of a chunk's product instead: the plain one and the 1 x 1 convolution
(sphereface_plus/mhe/matrix_products.py). --digits prints the relative errors of the heads' gradients by the
embeddings, by the cosine to the target (tests/losses/test_streamed_head.py), and what rounding to bf16 does.
--step makes whole updates of a run, with SphereFace-4, A-Softmax, Eq. (8), momentum and the measurements of
the log, and prints their seconds and the process's peak of memory.
"""

from __future__ import annotations

import argparse
import multiprocessing
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from sphereface_plus.config import MHEConfig
from sphereface_plus.environment import record
from sphereface_plus.losses import build_loss
from sphereface_plus.losses.dense_head import DenseHead
from sphereface_plus.losses.loss import PrototypeLoss
from sphereface_plus.losses.sampled_head import Sampling
from sphereface_plus.losses.streamed_head import StreamedHead
from sphereface_plus.mhe import classifier_energy
from sphereface_plus.networks.sphereface import STAGE_UNITS, SphereFace
from sphereface_plus.training.freed_memory import keep_freed_memory
from tests.benchmarks.figures import in_turn, keep, spread, timed
from tests.benchmarks.training_sides import PRECISION, learner_of
from tests.losses.settings import config_of
from tests.losses.test_streamed_head import exact_gradients, gradients

BENCHMARK = "head"
D = 512
HEADS = {"dense": DenseHead, "streamed": StreamedHead}


def batch(classes: int, size: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(size, D, generator=generator), torch.randint(classes, (size,), generator=generator)


def losses_of(kind: str, classes: int) -> dict[str, PrototypeLoss]:
    """By head; the prototypes are one tensor."""
    torch.manual_seed(0)
    made = {}
    for name, head in HEADS.items():
        loss = build_loss(config_of({"kind": kind}), num_identities=classes, embedding_size=D, head=head)
        assert isinstance(loss, PrototypeLoss)
        loss.prototypes = next(iter(made.values())).prototypes if made else loss.prototypes
        made[name] = loss
    return made


def step(loss: PrototypeLoss, x: Tensor, labels: Tensor, *, energy: bool) -> tuple[float, Tensor]:
    """The loss, and the gradient of the embeddings; that of the prototypes is in .grad."""
    loss.prototypes.grad = None
    leaf = x.clone().requires_grad_()
    output = loss(leaf, labels, 0)
    total, seen = output.loss, output.seen
    del output  # with it the head, and what it keeps
    if energy:
        assert seen is not None
        total = total + 10 * classifier_energy(seen.prototypes, labels)
    total.backward()
    assert leaf.grad is not None
    return total.item(), leaf.grad


def bare(x: Tensor, w: Tensor) -> None:
    products = torch.mm(x, w.T)
    torch.mm(products.T, x)
    torch.mm(products, w)


def torchs(loss: PrototypeLoss, x: Tensor, labels: Tensor) -> None:
    loss.prototypes.grad = None
    options = torch.nn.LinearCrossEntropyOptions()
    F.linear_cross_entropy(x.clone().requires_grad_(), loss.prototypes, labels, options=options).backward()


def peak_memory() -> float:
    """MiB."""
    return int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]) / 1024


def memory_of(kind: str, head: str, classes: int, size: int, energy: bool) -> float:
    """MiB beside prototypes and their gradient; in a process of its own."""
    step(losses_of(kind, 100)[head], *batch(100, size), energy=energy)  # loads what is loaded lazily
    loss, given = losses_of(kind, classes)[head], batch(classes, size)
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    before = peak_memory()
    step(loss, *given, energy=energy)
    return peak_memory() - before - loss.prototypes.nbytes / 2**20


def measure(kind: str, classes: int, size: int, repetitions: int) -> None:
    made, (x, labels) = losses_of(kind, classes), batch(classes, size)
    w = made["dense"].prototypes.detach()
    (dense, by_x), (streamed, other) = (step(made[name], x, labels, energy=False) for name in HEADS)
    print(
        f"losses {dense:.6f} and {streamed:.6f}; gradients of the embeddings differ by "
        f"{((by_x - other).norm() / by_x.norm()).item():.1e} of their norm"
    )
    ways: dict[str, Callable[[], object]] = {"bare": lambda: bare(x, w)}
    for energy in (False, True):
        for name in HEADS:
            ways[name + " + Eq. (8)" * energy] = lambda name=name, energy=energy: step(
                made[name], x, labels, energy=energy
            )
    if kind == "softmax" and hasattr(F, "linear_cross_entropy"):
        ways["torch's, in chunks"] = lambda: torchs(made["dense"], x, labels)
    times = in_turn(ways, repetitions)
    made["dense"].prototypes.grad = None
    print(
        f"{kind}, {classes:,} classes x {size} x {D}, {torch.get_num_threads()} threads, "
        f"{repetitions} repetitions\n"
        f"{'':30}{'seconds':>9}   times as long as bare: by clock; by processor   memory"
    )
    with multiprocessing.get_context("spawn").Pool(1, maxtasksperchild=1) as pool:
        for name, seconds in times.items():
            ratios, memory, at = (
                seconds / times["bare"],
                "",
                {"loss": kind, "classes": classes, "batch": size},
            )
            keep(BENCHMARK, name, "times the bare products", ratios[:, 0], **at)
            if name.split()[0] in HEADS:
                extra = pool.apply(memory_of, (kind, name.split()[0], classes, size, "Eq." in name))
                memory = f"   {extra:.0f} MiB"
                keep(BENCHMARK, name, "MiB beside prototypes and gradient", extra, **at)
            print(
                f"{name:30}{np.median(seconds[:, 0]):9.3f}   "
                f"{spread(ratios[:, 0])}; {spread(ratios[:, 1])}{memory}"
            )


def products(repetitions: int) -> None:
    for n in (1024, 2048, 4096):
        chunk, x = torch.randn(n, D), torch.randn(256, D)

        def convolved(chunk: Tensor = chunk, x: Tensor = x) -> Tensor:
            image = chunk.reshape(1, len(chunk), 1, D).permute(0, 3, 1, 2)
            return F.conv2d(image, x[:, :, None, None])

        def plain(chunk: Tensor = chunk, x: Tensor = x) -> Tensor:
            return chunk @ x.T

        rates = {"plain": [], "convolution": []}
        for _ in range(repetitions):
            for name, way in (("plain", plain), ("convolution", convolved)):
                way()
                seconds = timed(lambda way=way: [way() for _ in range(8)])[0] / 8
                rates[name].append(2e-9 * n * 256 * D / seconds)
        print(f"{n} x 256 x {D}, GFLOP/s:", *(f"{name} {spread(np.array(r))}" for name, r in rates.items()))


def digits() -> None:
    for cosine in (0.2, 0.3, 0.4, 0.5, 0.6, 0.7):
        exact, errors = exact_gradients(cosine)[0], []
        for name, dtype in (("dense", torch.float32), ("streamed", torch.float32), ("dense", torch.float64)):
            error = (gradients(HEADS[name], cosine, dtype)[0] - exact).norm() / exact.norm()
            errors.append(f"{name}, {str(dtype).removeprefix('torch.')} {error.item():.1e}")
        print(f"cosine {cosine}:", "; ".join(errors))
    x = F.normalize(torch.randn(256, D, generator=torch.Generator().manual_seed(0)))
    w = F.normalize(x + 0.05 * torch.randn(256, D, generator=torch.Generator().manual_seed(1)))
    exact = (x.double() * w.double()).sum(dim=1)
    operands = (x.bfloat16().double() * w.bfloat16().double()).sum(dim=1)
    product = (x.bfloat16() @ w.bfloat16().T).diagonal().double()
    for name, rounded in (("operands", operands), ("operands and product", product)):
        print(f"bf16 {name}: {64 * (rounded - exact).abs().max().item():.2f} off a logit at s = 64, at most")


def whole_steps(classes: int, size: int, sample_rate: float, repetitions: int) -> None:
    keep_freed_memory()  # as a run does
    torch.manual_seed(0)

    def draw(step: int, many: int, count: int) -> Tensor:
        drawn = np.random.default_rng(step).choice(many, count, replace=False, shuffle=False)
        return torch.from_numpy(drawn)

    head = StreamedHead if sample_rate == 1 else Sampling(lambda _: StreamedHead, classes, sample_rate, draw)
    loss = build_loss(config_of({"kind": "a_softmax"}), num_identities=classes, embedding_size=D, head=head)
    network = SphereFace(STAGE_UNITS["sphereface4"])
    learner = learner_of(network, loss, channels_last=True, mhe=MHEConfig(weight=10.0))
    crops = torch.randint(256, (size, 112, 96, 3), dtype=torch.uint8)
    print(f"SphereFace-4, {classes:,} classes, sample rate {sample_rate:g}, batch {size}, {PRECISION}")
    for step in range(100, 100 + repetitions):  # the first one is measured for the log
        labels = torch.randint(classes, (size,))
        clock, processor = timed(partial(learner.update, [(crops, labels)], step))
        print(
            f"  step {step}: {clock:.1f} s, {processor:.1f} of the processor; peak {peak_memory():,.0f} MiB"
        )


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    arguments.add_argument("--classes", type=int, nargs="+", default=[10_572, 100_000])
    arguments.add_argument("--batch", type=int, default=256)
    arguments.add_argument("--loss", nargs="+", default=["a_softmax", "softmax"])
    arguments.add_argument("--repetitions", type=int, default=5)
    arguments.add_argument("--products", action="store_true")
    arguments.add_argument("--digits", action="store_true")
    arguments.add_argument("--step", action="store_true")
    arguments.add_argument("--sample-rate", type=float, default=1.0)
    options = arguments.parse_args()
    print(record(gpu=False))
    if options.digits:
        digits()
        return
    if options.products:
        products(options.repetitions)
        return
    if options.step:
        for classes in options.classes:
            whole_steps(classes, options.batch, options.sample_rate, options.repetitions)
        return
    for classes in options.classes:
        for kind in options.loss:
            measure(kind, classes, options.batch, options.repetitions)


if __name__ == "__main__":
    main()
