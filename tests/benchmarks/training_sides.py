"""The two sides of bench_training_step.py: an update written plainly, and ours, from the same weights."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sphereface_plus.config import ImageNetworkConfig, InputSpec, MHEConfig, NetworkConfig, OptimizerConfig
from sphereface_plus.data import images
from sphereface_plus.data.crops import normalise
from sphereface_plus.losses import ASoftmaxLoss, SmoothedSoftmaxLoss
from sphereface_plus.losses.loss import Loss
from sphereface_plus.networks import build_image_network, build_network
from sphereface_plus.networks.prelu import ChannelPReLU
from sphereface_plus.networks.sphereface import STAGE_UNITS, STAGE_WIDTHS
from sphereface_plus.plan.measured import network_costs
from sphereface_plus.precision import fastest
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
PREPARE = partial(normalise, spec=InputSpec())


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


def plainly(network: nn.Module) -> nn.Module:
    """A copy with torch's PReLU, whose weights are the same."""
    copied = copy.deepcopy(network)
    for parent in list(copied.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, ChannelPReLU):
                replaced = nn.PReLU(child.num_parameters)
                replaced.load_state_dict(child.state_dict())
                setattr(parent, name, replaced)
    return copied


def face_sides(name: str, batch: int) -> tuple[Step, Step, float]:
    """The plain step and ours, from the same weights: updates that return their loss; FLOP of the network."""
    torch.manual_seed(0)
    spec = InputSpec(width=112) if name == "mobilefacenet" else InputSpec()
    network, loss = build_network(NetworkConfig(name=name, input=spec)), ASoftmaxLoss(IDENTITIES, 512)
    plain, plain_loss = plain_network(name) if name in STAGE_UNITS else plainly(network), PlainASoftmax()
    with torch.no_grad():
        for mine, other in zip(
            [*network.parameters(), loss.prototypes],
            [*plain.parameters(), plain_loss.weight],
            strict=True,
        ):
            other.copy_(mine)
    crops = torch.randint(256, (batch, spec.height, spec.width, 3), dtype=torch.uint8)
    labels = torch.randint(IDENTITIES, (batch,))
    pixels = normalise(crops, spec).contiguous()  # the plain side is spared this
    flop = batch * network_costs(plain, (3, spec.height, spec.width), "fp32").flop
    plain_step = plain_update(plain, plain_loss, lambda: plain_loss(plain(pixels), labels, lambda_=5.0))
    learner = learner_of(network, loss, channels_last=True, prepare=partial(normalise, spec=spec))

    def step() -> Tensor:
        scalars = learner.update([(crops, labels)], 2001)  # lambda has reached 5; no step that measures
        return torch.as_tensor(scalars["loss"])

    return plain_step, step, flop


def image_sides(name: str, batch: int) -> tuple[Step, Step, float]:
    """The same of a classification of CIFAR-100's shape."""
    torch.manual_seed(0)
    config = ImageNetworkConfig.model_validate({"name": name})
    network = build_image_network(config, in_channels=3)
    loss = SmoothedSoftmaxLoss(100, network.embedding_size)
    plain, plain_loss = plainly(network), nn.Linear(network.embedding_size, 100, bias=False)
    with torch.no_grad():
        plain_loss.weight.copy_(loss.prototypes)
    crops = torch.randint(256, (batch, 32, 32, 3), dtype=torch.uint8)
    labels = torch.randint(100, (batch,))
    pixels = images.normalise(crops).contiguous()
    flop = batch * network_costs(copy.deepcopy(plain), (3, 32, 32), "fp32").flop
    plain_step = plain_update(plain, plain_loss, lambda: F.cross_entropy(plain_loss(plain(pixels)), labels))
    learner = learner_of(network, loss, channels_last=True, prepare=images.normalise)
    return plain_step, lambda: torch.as_tensor(learner.update([(crops, labels)], 1)["loss"]), flop


def plain_update(network: nn.Module, loss: nn.Module, value_of: Step) -> Step:
    optimizer = torch.optim.SGD(
        [*network.parameters(), *loss.parameters()],
        lr=LEARNING_RATE,
        momentum=MOMENTUM,
        weight_decay=WEIGHT_DECAY,
    )

    def step() -> Tensor:
        optimizer.zero_grad()
        value = value_of()
        value.backward()
        optimizer.step()
        return value.detach()

    return step


def learner_of(
    network: nn.Module,
    loss: Loss,
    *,
    channels_last: bool,
    mhe: MHEConfig | None = None,
    prepare: Callable[[Tensor], Tensor] = PREPARE,
) -> ClassifierLearner:
    alone = Processes(0, 1, CPU)
    settings = OptimizerConfig(learning_rate=LEARNING_RATE, momentum=MOMENTUM, weight_decay=WEIGHT_DECAY)
    return ClassifierLearner(
        TrainedNetwork(network, prepare, alone, precision=PRECISION, channels_last=channels_last),
        loss,
        energies=PrototypeEnergy(loss, mhe or MHEConfig(), log_every=100),
        optimizer=ScheduledSGD(network, loss, settings, precision=PRECISION),
        processes=alone,
        measure_every=100,
    )
