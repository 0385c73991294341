"""One SN-GAN step on the CPU, of both networks, against the same written plainly in eager fp32, and against
that with channels last and fused Adam; and what MHE costs of a step.

    PYTHONPATH=. python tests/benchmarks/bench_gan.py [--only steps|mhe] [--width 64 16] [--turns 15]

All sides start from the same weights and see the same images and noise; the first losses are printed, as a
check. They take turns in one process, so that a busy machine slows all. Plain is what one writes first:
layers as they come, torch's own spectral_norm, which makes a power iteration at each read, one pass for real
and one for generated images, Adam untouched. The second still has that spectral norm, and two passes. Ours is
the update of a run, GanLearner, in the precision that `auto` takes on this CPU, and in fp32.

MHE's share is taken by parts, as whole steps with it and without differ by less than they vary: a step
without MHE and a penalty with its backward take turns, which adds to gradients that are there, as in a step.
All times are given by the clock and, for a CPU that others use as well, of the processor; shares are of the
least processor times, and of medians.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from sphereface_plus.config import GanConfig, from_dict
from sphereface_plus.data.noise import noise
from sphereface_plus.networks import build_gan
from sphereface_plus.networks.gan_normalisation import raw_weight
from sphereface_plus.precision import fastest
from sphereface_plus.processes import Processes
from sphereface_plus.training.gan_energy import DiscriminatorEnergy
from sphereface_plus.training.gan_learner import GanLearner
from tests.benchmarks.figures import in_turn, keep, spread

CPU = torch.device("cpu")
PRECISION = fastest(CPU).precision
Step = Callable[[], object]


def config_of(
    width: int, batch: int, precision: str, mhe: float = 0.0, pair: str = "sngan_table3"
) -> GanConfig:
    made = from_dict(
        {
            **{"task": "gan", "name": "bench", "data": {"name": "cifar10", "path": ""}},
            **{"network": {"name": pair, "width": width}, "mhe": {"weight": mhe}},
            "train": {"steps": 10, "batch_size": batch, "precision": precision, "log_every": 1000},
        }
    )
    assert isinstance(made, GanConfig)
    return made


def networks(config: GanConfig) -> tuple[nn.Module, nn.Module]:
    torch.manual_seed(0)
    return build_gan(config.network, image_size=32)


def learner_of(config: GanConfig) -> GanLearner:
    return GanLearner(*networks(config), config, Processes(0, 1, CPU))


def ours(learner: GanLearner, pixels: Tensor) -> Callable[[], Tensor]:
    step = iter(range(1, 10**6))  # none of them writes a log

    def update() -> Tensor:
        # Both networks in each step: n_dis is 1.
        return torch.as_tensor(learner.update([(pixels, torch.empty(0))], next(step))["discriminator_loss"])

    return update


class PlainGenerator(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.dense = nn.Linear(128, 8 * width * 16)
        maps = []
        for before, after in ((8, 4), (4, 2), (2, 1)):
            maps += [
                nn.ConvTranspose2d(before * width, after * width, 4, 2, 1),
                nn.BatchNorm2d(after * width, eps=2e-5),
                nn.ReLU(),
            ]
        self.maps = nn.Sequential(*maps, nn.Conv2d(width, 3, 3, 1, 1), nn.Tanh())

    def forward(self, z: Tensor) -> Tensor:
        return self.maps(self.dense(z).view(len(z), -1, 4, 4))


class PlainDiscriminator(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        layers, before = [], 3
        for number, multiple in enumerate((1, 1, 2, 2, 4, 4, 8)):
            size, stride = ((3, 1), (4, 2))[number % 2]
            layers += [spectral_norm(nn.Conv2d(before, multiple * width, size, stride, 1)), nn.LeakyReLU(0.1)]
            before = multiple * width
        self.layers = nn.Sequential(*layers, nn.Flatten(), spectral_norm(nn.Linear(before * 16, 1)))

    def forward(self, images: Tensor) -> Tensor:
        return self.layers(images).squeeze(1)


def plain(config: GanConfig, pixels: Tensor, *, tuned: bool) -> Callable[[], Tensor]:
    """tuned: channels last and fused Adam."""
    width, batch = config.network.width, config.train.batch_size
    generator, discriminator = PlainGenerator(width), PlainDiscriminator(width)
    take_weights(networks(config), (generator, discriminator))
    layout = torch.channels_last if tuned else torch.contiguous_format
    real = ((pixels.float() - 127.5) / 127.5).permute(0, 3, 1, 2).contiguous(memory_format=layout)
    adams = []
    for network in (generator, discriminator):
        network.to(memory_format=layout)  # pyright: ignore[reportCallIssue]
        adams.append(torch.optim.Adam(network.parameters(), lr=1e-4, betas=(0.5, 0.999), fused=tuned))
    steps = iter(range(1, 10**6))

    def step() -> Tensor:
        number = next(steps)
        z = [noise(0, number, update, batch, 128) for update in (0, 1)]
        loss = F.softplus(-discriminator(generator(z[0]))).mean()
        adams[0].zero_grad()
        loss.backward()
        adams[0].step()
        fake = generator(z[1]).detach()
        loss = F.softplus(-discriminator(real)).mean() + F.softplus(discriminator(fake)).mean()
        adams[1].zero_grad()
        loss.backward()
        adams[1].step()
        return loss.detach()

    return step


@torch.no_grad()
def take_weights(given: tuple[nn.Module, nn.Module], taken: tuple[nn.Module, nn.Module]) -> None:
    kinds = nn.Linear | nn.Conv2d | nn.ConvTranspose2d
    for one, other in zip(given, taken, strict=True):
        pairs = zip(
            (it for it in one.modules() if isinstance(it, kinds)),
            (it for it in other.modules() if isinstance(it, kinds)),
            strict=True,
        )
        for layer, copy in pairs:
            raw_weight(copy).copy_(raw_weight(layer))


def ratio(of: np.ndarray, to: np.ndarray) -> str:
    """Of the turns, by the clock and of the processor: median and range."""
    return ", ".join(spread(column) for column in (of / to).T)


def measure_steps(width: int, batch: int, turns: int) -> None:
    pixels = torch.randint(256, (batch, 32, 32, 3), dtype=torch.uint8)
    short, exact = config_of(width, batch, PRECISION), config_of(width, batch, "fp32")
    sides: dict[str, Callable[[], Tensor]] = {
        "plain": plain(exact, pixels, tuned=False),
        "torch's spectral norm": plain(exact, pixels, tuned=True),
        f"ours, {PRECISION}": ours(learner_of(short), pixels),
        "ours, fp32": ours(learner_of(exact), pixels),
        f"ours with MHE, {PRECISION}": ours(learner_of(config_of(width, batch, PRECISION, 1.0)), pixels),
    }
    first = [float(step()) for step in sides.values()]
    if max(abs(loss - first[0]) for loss in first[1:4]) > 0.02 * first[0]:  # bf16, and other iterations
        raise SystemExit(f"the first losses differ, {first}; nothing was measured")
    taken = in_turn(sides, turns)
    print(
        f"\nsngan_table3, width {width}, batch {batch}, {turns} turns; first losses "
        f"{', '.join(f'{it:.4f}' for it in first)}; by the clock, of the processor"
    )
    for name, times in taken.items():
        clock, processor = 1000 * np.median(times, axis=0)
        print(f"  {name:26} {clock:9.1f} ms {processor:9.1f} ms", flush=True)
    plainly, torchs, in_short, in_fp32, with_mhe = taken.values()
    for precision, own in ((PRECISION, in_short), ("fp32", in_fp32)):
        at = {"width": width, "batch": batch, "precision": precision}
        keep("gan", "both networks' step", "times as fast as plain eager fp32", (plainly / own)[:, 0], **at)
    print(f"  plain over ours            {ratio(plainly, in_short)}")
    print(f"  plain over ours in fp32    {ratio(plainly, in_fp32)}")
    print(f"  torch's over ours          {ratio(torchs, in_short)}")
    print(f"  torch's over ours in fp32  {ratio(torchs, in_fp32)}")
    print(f"  with MHE over without      {ratio(with_mhe, in_short)}", flush=True)


def measure_mhe(pair: str, width: int, batch: int, precision: str, turns: int) -> None:
    pixels = torch.randint(256, (batch, 32, 32, 3), dtype=torch.uint8)
    learner = learner_of(config_of(width, batch, precision, pair=pair))
    weighted = config_of(width, batch, precision, 1.0, pair).mhe
    energy = DiscriminatorEnergy(learner.discriminator, weighted, seed=0)

    def penalty() -> None:
        found = energy.penalty(1)
        assert found is not None
        found.backward()

    sides: dict[str, Step] = {"step": ours(learner, pixels), "penalty": penalty}
    in_turn(sides, 3)  # what is made in the first ones, such as buffers, and the gradients to add to
    taken = in_turn(sides, turns)
    least = {name: times[:, 1].min() for name, times in taken.items()}
    at = {"pair": pair, "width": width, "batch": batch, "precision": precision}
    keep("gan", "MHE", "share of a step", least["penalty"] / least["step"], **at)
    print(f"  {pair:16} width {width}, batch {batch}, {precision}:", end="")
    for words, reduce in (("", np.min), ("; medians:", np.median)):
        step, penalty_ = (1000 * reduce(times[:, 1]) for times in taken.values())
        print(f"{words} a step {step:.1f} ms, MHE {penalty_:.2f} ms, {penalty_ / step:.1%}", end="")
    print(flush=True)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    arguments.add_argument("--only", choices=("steps", "mhe"))
    arguments.add_argument("--width", type=int, nargs="+", default=[64, 16])
    arguments.add_argument("--turns", type=int, default=15)
    options = arguments.parse_args()
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads; both networks learn in each step")
    sizes = [(width, 64 if width >= 64 else 32) for width in options.width]
    if options.only != "mhe":
        for width, batch in sizes:
            measure_steps(width, batch, options.turns)
    if options.only != "steps":
        print(f"\nMHE's share of a step by processor time, the least of {options.turns} turns")
        for width, batch in sizes:
            for pair in ("sngan_table3", "chainer_gan_lib"):
                for precision in dict.fromkeys(("fp32", PRECISION)):
                    measure_mhe(pair, width, batch, precision, options.turns)


if __name__ == "__main__":
    main()
