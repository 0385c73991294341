"""A task that shares nothing with the classifiers: two networks that play against each other.

A generator makes points of noise, a discriminator with spectral normalisation tells them from points on a
ring. Two Adams; the generator learns in every n_dis-th step only. The points lie in no file and have no
classes; there is no embedding, no softmax, no `network` and no `loss`. All that the house has to know of it
is its settings and its entry.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from sphereface_plus import config, weights
from sphereface_plus.config.common import RunConfig
from sphereface_plus.data.batches import BatchSampler
from sphereface_plus.training import tasks
from sphereface_plus.training.failures import BrokenModelError, NonFiniteError
from sphereface_plus.training.run_parts import Run
from sphereface_plus.training.sizes import size_of, size_to_come

NOISE = 3


class PointsConfig(config.Strict):
    count: int = Field(gt=0)
    """Points on the ring."""
    radius: float = Field(default=1.0, gt=0)
    """Radius of the ring."""


class AdamConfig(config.Strict):
    learning_rate: float = Field(gt=0)
    """Learning rate of this one of the two."""


class ToyConfig(RunConfig):
    """A generator of points against a discriminator."""

    in_words: ClassVar[str] = "a toy of two networks"

    task: Literal["toy_gan"]
    """What is trained: a generator of points."""
    name: str
    """Names the run folder."""
    seed: int = 0
    """Points, initial weights and noise follow from it."""
    data: PointsConfig
    generator: AdamConfig
    discriminator: AdamConfig
    n_dis: int = Field(default=2, gt=0)
    """Updates of the discriminator for one of the generator."""
    train: config.TrainConfig


class Ring:
    """Points on a ring, the noise in their radius drawn once."""

    path, left_out, classes = "the ring", "", None
    notes: Sequence[str] = ()

    def __init__(self, settings: ToyConfig) -> None:
        generator = torch.Generator().manual_seed(settings.seed)
        angles = 2 * math.pi * torch.rand(settings.data.count, generator=generator)
        self.points = settings.data.radius * torch.stack([angles.cos(), angles.sin()], dim=1)

    def __len__(self) -> int:
        return len(self.points)

    def fingerprint(self) -> str:
        return hashlib.sha256(self.points.numpy().tobytes()).hexdigest()

    def content(self) -> str:
        return ""

    def describe(self, index: int) -> tuple[str, None]:
        return f"point {index}", None

    def batch(self, items: list[tuple[int, int]]) -> Tensor:
        return self.points[[index for index, _ in items]]

    def batches(self, sampler: BatchSampler) -> Iterator[Tensor]:
        return (self.batch(items) for items in sampler)


class ToyLearner:
    """The standard loss of generative adversarial networks, with the alternate cost of the generator."""

    def __init__(self, settings: ToyConfig) -> None:
        self.generator = nn.Sequential(nn.Linear(NOISE, 8), nn.ReLU(), nn.Linear(8, 2))
        self.discriminator = nn.Sequential(
            spectral_norm(nn.Linear(2, 8)), nn.ReLU(), spectral_norm(nn.Linear(8, 1))
        )
        rates = settings.generator.learning_rate, settings.discriminator.learning_rate
        models = self.generator, self.discriminator
        self.adams = [
            torch.optim.Adam(model.parameters(), lr=rate) for model, rate in zip(models, rates, strict=True)
        ]
        self.n_dis = settings.n_dis

    def update(self, batch: list[Tensor], step: int) -> dict[str, Tensor]:
        real = torch.cat(batch)
        of_generator, of_discriminator = self.adams
        fake = self.generator(
            torch.randn(len(real), NOISE)
        )  # of torch's own stream, which a checkpoint holds
        scores = self.discriminator(real), self.discriminator(fake.detach())
        loss = F.softplus(-scores[0]).mean() + F.softplus(scores[1]).mean()
        scalars = {"discriminator_loss": loss.detach()}
        self._step(of_discriminator, loss, step, "discriminator's loss")
        if (step + 1) % self.n_dis == 0:
            loss = F.softplus(-self.discriminator(fake)).mean()
            scalars["generator_loss"] = loss.detach()
            self._step(of_generator, loss, step, "generator's loss")
        return scalars

    def _step(self, adam: torch.optim.Adam, loss: Tensor, step: int, what: str) -> None:
        if not bool(torch.isfinite(loss)):
            raise NonFiniteError(step, what)
        adam.zero_grad()
        loss.backward()
        adam.step()

    def is_healthy(self, part: Tensor) -> bool:
        noise = torch.randn(len(part), NOISE, generator=torch.Generator().manual_seed(0))
        return all(bool(torch.isfinite(points).all()) for points in (part, self.sampled(noise)))

    @torch.no_grad()
    def sampled(self, noise: Tensor) -> Tensor:
        """What the discriminator says of the generator's points."""
        self.discriminator.eval()  # in train mode a look advances the power iteration
        scores = self.discriminator(self.generator(noise))
        self.discriminator.train()
        return scores

    def state_dict(self) -> dict[str, Any]:
        return {
            "generator": self.generator.state_dict(),
            "discriminator": self.discriminator.state_dict(),
            "adams": [adam.state_dict() for adam in self.adams],
        }

    def state_size(self) -> int:
        return size_of(self.state_dict()) + sum(map(size_to_come, self.adams))

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.generator.load_state_dict(state["generator"])
        self.discriminator.load_state_dict(state["discriminator"])
        for adam, saved in zip(self.adams, state["adams"], strict=True):
            rate = adam.param_groups[0]["lr"]  # the recipe's, which may have changed after a divergence
            adam.load_state_dict(saved)
            adam.param_groups[0]["lr"] = rate


def build(settings: ToyConfig, folder, processes, point) -> Run:
    torch.manual_seed(settings.seed)
    learner = ToyLearner(settings)

    def validation() -> dict[str, float]:
        scores = learner.sampled(torch.ones(1, NOISE))
        if not bool(torch.isfinite(scores).all()):
            raise BrokenModelError("the scores are not finite")
        return {"validation/score": float(scores)}

    trains = "a generator and a discriminator"
    return Run(
        settings, folder, processes, Ring(settings), learner, trains, validation=validation, validate_every=4
    )


def provenance(payload: dict[str, Any], settings: ToyConfig) -> dict[str, str]:
    points = TASK.counted(payload["num_crops"], payload["identities"])
    return {"data": f"{points} of radius {settings.data.radius:g}", "n_dis": str(settings.n_dis)}


def model_lines(file: Path, payload: dict[str, Any], settings: ToyConfig) -> Iterator[str]:
    states = {name: payload[name] for name in ("generator", "discriminator")}
    weights.check_tensors(file, **states)
    for name, state in states.items():
        yield f"{name}: {', '.join(state)}"


RATES = {"generator.learning_rate", "discriminator.learning_rate"}
TASK = tasks.Task(
    title="A toy of two networks",
    thing="point",
    group="",
    build=build,
    needed_files=lambda settings: iter(()),
    start=None,
    provenance=provenance,
    model_lines=model_lines,
    output="discriminator's scores",
    may_change=frozenset({"train.steps"}),
    after_divergence=frozenset({*RATES, "n_dis"}),
    gentler=("a lower generator.learning_rate", "a lower discriminator.learning_rate", "a smaller n_dis"),
    result=lambda settings: tasks.Result("validation/score", "score {:.4f}", higher_is_better=False),
    watched={"discriminator_loss": "D {:.3f}", "generator_loss": "G {:.3f}"},
)


def register(monkeypatch) -> None:
    """All that it takes: two entries."""
    monkeypatch.setitem(config.TASKS, "toy_gan", ToyConfig)
    monkeypatch.setitem(tasks.TASKS, "toy_gan", TASK)
