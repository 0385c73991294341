"""One training step on the CPU against the same network and loss written plainly in eager fp32.

    PYTHONPATH=. python tests/benchmarks/bench_training_step.py [--only cnn9] [--repeats 7] [--networks-only]

Both sides start from the same weights and see the same batch; the first loss of each is printed, as a check.
They take turns, each in a process of its own, as a run's has glibc keep the memory that it frees, and only
one works at a time: a busy machine slows both. The plain side is what one writes first:
contiguous fp32, nn.PReLU, prototypes normalised in the graph, psi through arccos, torch.optim.SGD untouched;
where no literal network stands here, it is ours with torch's PReLU. Ours is the update of a run as the
recipes make it here: ClassifierLearner in the precision that `auto` takes on this CPU, from uint8 crops to
the new weights, without the measurements that it makes every 100 steps and without the compiler.

"product" is the rate of the network's convolutions and products, forward and backward, as a share of a bare
product's in float32 (for both sides, so that bf16 may pass 100 %), which takes turns with them.
"""

from __future__ import annotations

import argparse
import multiprocessing
from collections.abc import Callable
from functools import partial
from multiprocessing.connection import Connection
from resource import RUSAGE_SELF, getrusage

import numpy as np
import torch
from torch import nn

from sphereface_plus.losses import ASoftmaxLoss
from sphereface_plus.networks.prelu import ChannelPReLU
from sphereface_plus.networks.sphereface import STAGE_UNITS, SphereFace
from sphereface_plus.precision import DTYPES
from sphereface_plus.training.freed_memory import keep_freed_memory
from tests.benchmarks.figures import bare_product, in_turn, keep, spread, timed
from tests.benchmarks.training_sides import (
    IDENTITIES,
    PRECISION,
    PlainASoftmax,
    face_sides,
    image_sides,
    learner_of,
)

BENCHMARK = "training_step"
NETWORKS = {"sphereface20": 32, "sphereface10": 32, "sphereface4": 32, "mobilefacenet": 32}
IMAGE_NETWORKS = {"cnn9": 128, "resnet32": 128}
"""Batches, by network."""
SIDES = ("plain", "ours", "ours, given back")
"""The last: without what training/freed_memory.py does."""
WARM_UP = 3
"""Turns that are not counted: the heap has to find its size."""


def side_in_a_process(name: str, side: str, turns: Connection) -> None:
    """Says the network's FLOP of a step, then makes a step whenever it is told to, and says its loss, its
    seconds by the clock, its page faults and the process's peak of memory so far, in MiB."""
    if side == "ours":
        keep_freed_memory()
    batch = {**NETWORKS, **IMAGE_NETWORKS}[name]
    plain, ours, flop = (image_sides if name in IMAGE_NETWORKS else face_sides)(name, batch)
    step = plain if side == "plain" else ours
    del plain, ours
    turns.send(flop)
    while turns.recv():
        losses, before = [], getrusage(RUSAGE_SELF).ru_minflt
        seconds = timed(lambda losses=losses: losses.append(step().item()))[0]
        used = getrusage(RUSAGE_SELF)
        turns.send((losses[0], seconds, used.ru_minflt - before, used.ru_maxrss / 1024))


def measure(name: str, repeats: int) -> None:
    batch, context = {**NETWORKS, **IMAGE_NETWORKS}[name], multiprocessing.get_context("spawn")
    turns, processes = {}, []
    for side in SIDES:
        turns[side], theirs = context.Pipe()
        processes.append(context.Process(target=side_in_a_process, args=(name, side, theirs), daemon=True))
        processes[-1].start()
        theirs.close()  # so that the end of a process is an end of what it says
    flop, *_ = [connection.recv() for connection in turns.values()]
    product, product_flop = bare_product(torch.float32)
    product()
    said, products = {side: [] for side in SIDES}, []
    for _ in range(WARM_UP + repeats):
        for side, connection in turns.items():
            connection.send(True)
            said[side].append(connection.recv())
        products.append(timed(product)[0])
    for connection, process in zip(turns.values(), processes, strict=True):
        connection.send(False)
        process.join()
    first = [said[side][0][0] for side in SIDES]
    if abs(first[0] - first[1]) > 0.01 * first[0]:  # bf16, if it is, against fp32
        raise SystemExit(f"{name}: the first losses differ, {first[0]} and {first[1]}; nothing was measured")
    _, clock, faults, peak = (
        {side: np.array([turn[number] for turn in said[side][WARM_UP:]]) for side in SIDES}
        for number in range(4)
    )
    rate = product_flop / np.array(products[WARM_UP:])
    line = f"{name:14} {batch:5}"
    for side in ("plain", "ours"):
        share = np.median(flop / clock[side] / rate)
        keep(BENCHMARK, name, "share of the bare float32 product's rate", share, side=side, batch=batch)
        milliseconds = 1000 * np.median(clock[side])
        line += f" {milliseconds:8.0f} {1000 * batch / milliseconds:8.1f} {share:8.0%}"
    at = {"precision": PRECISION, "batch": batch}
    ratios, kept = clock["plain"] / clock["ours"], clock["ours, given back"] / clock["ours"]
    keep(BENCHMARK, name, "times as fast as plain eager fp32", ratios, **at)
    keep(BENCHMARK, name, "times as fast as where freed memory is given back", kept, **at)
    keep(BENCHMARK, name, "images/s", batch / clock["ours"], **at)
    print(f"{line}   {spread(ratios):21} {first[0]:.3f}, {first[1]:.3f}")
    print(
        f"{'':14} freed memory kept: {spread(kept)} times as fast; page faults a step "
        f"{np.median(faults['ours, given back']):,.0f} and {np.median(faults['ours']):,.0f}; peak "
        f"{peak['ours, given back'].max():,.0f} and {peak['ours'].max():,.0f} MiB",
        flush=True,
    )


def compare(what: str, plain: Callable[[], object], ours: Callable[[], object], repeats: int) -> None:
    seconds = {side: times[:, 0] for side, times in in_turn({"plain": plain, "ours": ours}, repeats).items()}
    ratios = seconds["plain"] / seconds["ours"]
    keep(BENCHMARK, what, "times as fast as torch's", ratios)
    a, b = (1000 * np.median(times) for times in seconds.values())
    print(f"{what:40} {a:9.1f} {b:9.1f}   {spread(ratios)}", flush=True)


def layouts(name: str, batch: int, repeats: int) -> None:
    """Our step with train.channels_last, the default, against the same without it."""
    crops = torch.randint(256, (batch, 112, 96, 3), dtype=torch.uint8)
    labels = torch.randint(IDENTITIES, (batch,))

    def step(channels_last: bool) -> Callable[[], object]:
        loss = ASoftmaxLoss(IDENTITIES, 512)
        learner = learner_of(SphereFace(STAGE_UNITS[name]), loss, channels_last=channels_last)
        learner.update([(crops, labels)], 2001)
        return partial(learner.update, [(crops, labels)], 2001)

    compare(f"{name}, batch {batch}, channels last", step(False), step(True), repeats)


def prelu(repeats: int) -> None:
    dtype = DTYPES[PRECISION]
    x = torch.randn(32, 64, 56, 48, dtype=dtype).contiguous(memory_format=torch.channels_last)
    x.requires_grad_()
    gradient = torch.randn_like(x)

    def run(module: nn.Module) -> Callable[[], object]:
        return lambda: module(x).backward(gradient)

    torchs, ours = run(nn.PReLU(64).to(dtype)), run(ChannelPReLU(64).to(dtype))
    compare(f"PReLU, one of stage 1, {PRECISION}", torchs, ours, repeats)


def a_softmax(repeats: int) -> None:
    x, labels = torch.randn(512, 512, requires_grad=True), torch.randint(IDENTITIES, (512,))
    plain, ours = PlainASoftmax(), ASoftmaxLoss(IDENTITIES, 512)
    compare(
        "A-Softmax, batch 512",
        lambda: plain(x, labels, 5.0).backward(),
        lambda: ours(x, labels, 2000).loss.backward(),
        repeats,
    )


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    everything = [*NETWORKS, *IMAGE_NETWORKS]
    arguments.add_argument("--only", nargs="+", choices=everything, default=everything, metavar="NETWORK")
    arguments.add_argument("--repeats", type=int, default=7)
    arguments.add_argument("--networks-only", action="store_true")
    options = arguments.parse_args()
    print(
        f"torch {torch.__version__}, {torch.get_num_threads()} threads, {IDENTITIES:,} identities; ours in "
        f"{PRECISION}, plain in fp32; share of the bare float32 product's rate after images/s"
    )
    print(
        f"{'network':14} {'batch':>5} {'plain ms':>8} {'images/s':>8} {'product':>8} {'ours ms':>8}"
        f" {'images/s':>8} {'product':>8}   ratio (range)         first losses"
    )
    for name in options.only:
        measure(name, options.repeats)
    if options.networks_only:
        return
    print(f"\n{'forward and backward of, or a step with':40} {'torch ms':>9} {'ours ms':>9}   ratio (range)")
    prelu(repeats=15)
    layouts("sphereface20", 32, repeats=5)
    a_softmax(repeats=7)


if __name__ == "__main__":
    main()
