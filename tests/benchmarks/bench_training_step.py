"""One training step on the CPU against the same network and loss written plainly in eager fp32.

Both sides start from the same weights and see the same batch; the first loss of each is printed, as a check.
They take turns in one process, so that a busy machine slows both. The plain side is what one writes first:
contiguous fp32, nn.PReLU, prototypes normalised in the graph, psi through arccos, torch.optim.SGD untouched.
Ours is the update of a run as the CASIA recipes make it here: ClassifierLearner in the precision that `auto`
takes on this CPU, from uint8 crops to the new weights, without the measurements that it makes every 100 steps
and without the compiler.
"""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sphereface_plus.config import InputSpec, MHEConfig, OptimizerConfig
from sphereface_plus.data.crops import normalise
from sphereface_plus.losses import ASoftmaxLoss
from sphereface_plus.losses.loss import Loss
from sphereface_plus.networks.prelu import ChannelPReLU
from sphereface_plus.networks.sphereface import STAGE_UNITS, STAGE_WIDTHS, SphereFace
from sphereface_plus.precision import DTYPES, fastest
from sphereface_plus.processes import Processes
from sphereface_plus.training.classifier import ClassifierLearner
from sphereface_plus.training.energies import PrototypeEnergy
from sphereface_plus.training.network import TrainedNetwork
from sphereface_plus.training.sgd import ScheduledSGD

CPU = torch.device("cpu")
PRECISION = fastest(CPU).precision
IDENTITIES = 10_572  # CASIA-WebFace
LEARNING_RATE, MOMENTUM, WEIGHT_DECAY = 1e-3, 0.9, 5e-4
Step = Callable[[], Tensor]


class PlainUnit(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.prelu1 = nn.PReLU(width)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.prelu2 = nn.PReLU(width)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.prelu2(self.conv2(self.prelu1(self.conv1(x))))


def plain_network(name: str) -> nn.Module:
    layers, channels = [], 3
    for width, units in zip(STAGE_WIDTHS, STAGE_UNITS[name], strict=True):
        layers += [nn.Conv2d(channels, width, 3, stride=2, padding=1), nn.PReLU(width)]
        layers += [PlainUnit(width) for _ in range(units)]
        channels = width
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(512 * 7 * 6, 512))


class PlainASoftmax(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(IDENTITIES, 512))

    def forward(self, x: Tensor, labels: Tensor, lambda_: float) -> Tensor:
        cosine = F.normalize(x) @ F.normalize(self.weight).T
        rows = torch.arange(len(labels))
        target = cosine[rows, labels].clamp(-1, 1)
        k = torch.floor(4 * torch.acos(target.detach()) / math.pi)
        psi = (-1) ** k * (8 * target**4 - 8 * target**2 + 1) - 2 * k
        logits = cosine.clone()
        logits[rows, labels] = (lambda_ * target + psi) / (1 + lambda_)
        return F.cross_entropy(logits * x.norm(dim=1, keepdim=True), labels)


def steps(name: str, crops: Tensor, labels: Tensor) -> tuple[Step, Step]:
    """The plain step and ours, from the same weights; each call is one update and returns its loss."""
    torch.manual_seed(0)
    network, loss = SphereFace(STAGE_UNITS[name]), ASoftmaxLoss(IDENTITIES, 512)
    plain, plain_loss = plain_network(name), PlainASoftmax()
    with torch.no_grad():
        for mine, other in zip(
            [*network.parameters(), loss.prototypes],
            [*plain.parameters(), plain_loss.weight],
            strict=True,
        ):
            other.copy_(mine)

    pixels = normalise(crops, InputSpec())  # the plain side is spared this

    plain_optimizer = torch.optim.SGD(
        [*plain.parameters(), *plain_loss.parameters()],
        lr=LEARNING_RATE,
        momentum=MOMENTUM,
        weight_decay=WEIGHT_DECAY,
    )

    def plain_step() -> Tensor:
        plain_optimizer.zero_grad()
        value = plain_loss(plain(pixels), labels, lambda_=5.0)
        value.backward()
        plain_optimizer.step()
        return value.detach()

    learner = learner_of(network, loss, channels_last=True)

    def step() -> Tensor:
        scalars = learner.update([(crops, labels)], 2001)  # lambda has reached 5; no step that measures
        return torch.as_tensor(scalars["loss"])

    return plain_step, step


def learner_of(
    network: nn.Module, loss: Loss, *, channels_last: bool, mhe: MHEConfig | None = None
) -> ClassifierLearner:
    alone = Processes(0, 1, CPU)
    settings = OptimizerConfig(learning_rate=LEARNING_RATE, momentum=MOMENTUM, weight_decay=WEIGHT_DECAY)
    prepare = partial(normalise, spec=InputSpec())
    return ClassifierLearner(
        TrainedNetwork(network, prepare, alone, precision=PRECISION, channels_last=channels_last),
        loss,
        energies=PrototypeEnergy(loss, mhe or MHEConfig(), log_every=100),
        optimizer=ScheduledSGD(network, loss, settings, precision=PRECISION),
        processes=alone,
        measure_every=100,
    )


def layouts(name: str, batch: int, repeats: int) -> None:
    """Our step with train.channels_last, the default, against the same without it."""
    crops = torch.randint(256, (batch, 112, 96, 3), dtype=torch.uint8)
    labels = torch.randint(IDENTITIES, (batch,))

    def step(channels_last: bool) -> Callable[[], object]:
        loss = ASoftmaxLoss(IDENTITIES, 512)
        learner = learner_of(SphereFace(STAGE_UNITS[name]), loss, channels_last=channels_last)
        learner.update([(crops, labels)], 2001)
        return partial(learner.update, [(crops, labels)], 2001)

    a, b, ratio = compare(step(False), step(True), repeats)
    print(f"{f'{name}, batch {batch}, channels last':40} {a:9.1f} {b:9.1f}   {ratio}", flush=True)


def milliseconds(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return 1000 * (time.perf_counter() - start)


def compare(
    plain: Callable[[], object], ours: Callable[[], object], repeats: int
) -> tuple[float, float, str]:
    """Median milliseconds of both, and the median of the turns' ratios with its range."""
    turns = [(milliseconds(plain), milliseconds(ours)) for _ in range(repeats)]
    ratios = sorted(a / b for a, b in turns)
    return (
        statistics.median(a for a, _ in turns),
        statistics.median(b for _, b in turns),
        f"{statistics.median(ratios):5.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})",
    )


def training_steps(name: str, batch: int, repeats: int) -> None:
    crops = torch.randint(256, (batch, 112, 96, 3), dtype=torch.uint8)
    labels = torch.randint(IDENTITIES, (batch,))
    plain, ours = steps(name, crops, labels)
    first = plain().item(), ours().item()
    if abs(first[0] - first[1]) > 0.01 * first[0]:  # bf16, if it is, against fp32
        raise SystemExit(f"{name}: the first losses differ, {first[0]} and {first[1]}; nothing was measured")
    plain()
    ours()
    a, b, ratio = compare(plain, ours, repeats)
    print(
        f"{name:14} {batch:5} {a:9.0f} {1000 * batch / a:9.1f} {b:9.0f} {1000 * batch / b:9.1f}   {ratio:22}"
        f" {first[0]:.3f}, {first[1]:.3f}",
        flush=True,
    )


def prelu(repeats: int) -> None:
    dtype = DTYPES[PRECISION]
    x = torch.randn(32, 64, 56, 48, dtype=dtype).contiguous(memory_format=torch.channels_last)
    x.requires_grad_()
    gradient = torch.randn_like(x)

    def run(module: nn.Module) -> Callable[[], object]:
        return lambda: module(x).backward(gradient)

    a, b, ratio = compare(run(nn.PReLU(64).to(dtype)), run(ChannelPReLU(64).to(dtype)), repeats)
    print(f"{f'PReLU, one of stage 1, {PRECISION}':40} {a:9.1f} {b:9.1f}   {ratio}", flush=True)


def a_softmax(repeats: int) -> None:
    x, labels = torch.randn(512, 512, requires_grad=True), torch.randint(IDENTITIES, (512,))
    plain, ours = PlainASoftmax(), ASoftmaxLoss(IDENTITIES, 512)
    a, b, ratio = compare(
        lambda: plain(x, labels, 5.0).backward(), lambda: ours(x, labels, 2000).loss.backward(), repeats
    )
    print(f"{'A-Softmax, batch 512':40} {a:9.1f} {b:9.1f}   {ratio}", flush=True)


def main() -> None:
    print(
        f"torch {torch.__version__}, {torch.get_num_threads()} threads, {IDENTITIES:,} identities; ours in "
        f"{PRECISION}, plain in fp32"
    )
    print(
        f"{'network':14} {'batch':>5} {'plain ms':>9} {'images/s':>9} {'ours ms':>9} {'images/s':>9}"
        "   ratio (range)          first losses"
    )
    training_steps("sphereface20", 32, repeats=7)
    training_steps("sphereface10", 32, repeats=5)
    training_steps("sphereface4", 32, repeats=5)
    print(f"\n{'forward and backward of, or a step with':40} {'torch ms':>9} {'ours ms':>9}   ratio (range)")
    prelu(repeats=15)
    layouts("sphereface20", 32, repeats=5)
    a_softmax(repeats=7)


if __name__ == "__main__":
    main()
